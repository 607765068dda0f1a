"""One turn of the loop at toy scale, by the same rules and tasks as the dashboard's buttons.

Every step first looks whether its row is there, so an interrupted demo goes on where it stopped.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import sleep

from django.db import transaction

from labeling.models import Batch, Cohort, Intake, Labeler, Prompt, Role, Split, TaskKind
from labeling.rules.batches import add_writing_tasks, batch_progress, create_batch, open_batch
from labeling.rules.prompts import import_prompts
from training.demo.corpus import documents
from training.demo.display import Display, Tell
from training.demo.labelers import SimulatedLabeler, make_labelers
from training.demo.people import make_simulated_labelers, staff
from training.demo.plan import Plan
from training.demo.work import work_through
from training.demo.workers import Crew
from training.demo.world import write_prompts
from training.models import Dataset, Model, Round, Run, RunState, Stage
from training.rlhf.config import apply_overrides, shipped_config, to_mapping
from training.rules import rounds
from training.rules.datasets import freeze_dataset, freeze_texts
from training.rules.models import import_model
from training.rules.round_opening import model_of, open_round, sft_model
from training.rules.run_inputs import Input
from training.rules.runs import create_run
from training.rules.sampling import Writer, choose_prompts, sample_for_batch

ROUND = "Demo round"
BASE, PLAIN_PPO = "demo-base", "demo-ppo"
TEXTS, TEST_PROMPTS = "demo texts", "demo prompts"
FOR_PEOPLE = "Demonstrations by people"
HELD_OUT_CHECK = "Held-out check of the reward model"
POLL_SECONDS = 0.3


class DemoFailed(Exception):
    """A step of the loop did not come to its end; the message says which and why."""


@dataclass
class Demo:
    """A demo at work: its plan, its people, and what it shows."""

    plan: Plan
    display: Display
    workers: Crew
    people: list[SimulatedLabeler]
    profiles: Mapping[str, Labeler]

    def cohort(self, cohort: str) -> list[SimulatedLabeler]:
        """Return the simulated labelers of a cohort."""
        return [person for person in self.people if person.cohort == cohort]

    def label(self, title: str, batch: Batch | None, cohort: str) -> None:
        """Let the simulated labelers of a cohort do a batch."""
        if batch is None:
            raise DemoFailed(f"{title}: there is no batch.")
        progress = batch_progress(batch)
        wanted = progress.wanted - progress.submitted
        if wanted <= 0:
            return
        with self.display.step(title) as tell:
            work_through(
                people=self.cohort(cohort),
                profiles=self.profiles,
                kind=batch.kind,
                seed=self.plan.seed,
                on_done=lambda done: tell(done / wanted, f"{done} of {wanted} labels"),
            )

    def run_all(self, title: str, runs: Sequence[Run]) -> None:
        """Send runs to the workers and wait for all of them."""
        for run in runs:
            if run.state == RunState.QUEUED:
                self.workers.send(run)
        if all(run.state == RunState.FINISHED for run in runs):
            return
        with self.display.step(title) as tell:
            self._wait(runs, tell)

    def _wait(self, runs: Sequence[Run], tell: Tell) -> None:
        while True:
            self.workers.check()
            for run in runs:
                run.refresh_from_db()
                if run.state in (RunState.FAILED, RunState.CANCELLED):
                    raise DemoFailed(f"{run} {run.state}: {run.reason}\n{run.log_tail[-1500:]}")
            done = sum(run.progress_fraction for run in runs) / max(1, len(runs))
            tell(done, ", ".join(f"{run.stage} {run.phase}" for run in runs if run.is_active))
            if all(run.state == RunState.FINISHED for run in runs):
                return
            sleep(POLL_SECONDS)


def start_demo(plan: Plan, display: Display, workers: Crew) -> Demo:
    """Make the simulated labelers and return a demo ready to go."""
    people = make_labelers(train=plan.train_labelers, held_out=plan.held_out_labelers, seed=plan.seed)
    return Demo(plan, display, workers, people, make_simulated_labelers(people))


def turn_the_loop(demo: Demo) -> Round:
    """Do the whole first round: prompts, base model, demonstrations, SFT, comparisons, reward model, PPO."""
    researcher = staff(Role.RESEARCHER)
    take_prompts_in(demo)
    texts = freeze_demo_texts(demo)
    base = make_base_model(demo, texts)
    given = Round.objects.filter(name=ROUND).first() or open_round(
        name=ROUND,
        base_model=base,
        pretrain_dataset=texts,
        settings=demo.plan.round_settings(),
        by=researcher,
    )
    step = rounds.next_step(given)
    while step is not None and step.key not in ("ppo", "evaluate", "next"):
        do_step(demo, given, step.key)
        step = rounds.next_step(given)
    return given


def do_step(demo: Demo, given: Round, key: str) -> None:
    """Press the button of a round's step if it is still to be pressed, and see the step through."""
    step = rounds.next_step(given)
    runs: list[Run] = []
    if step is not None and step.is_held:
        raise DemoFailed(f"{step.title}: {step.detail}")
    if step is not None and step.key == key and step.can_start:
        runs = rounds.start_step(given=given, key=key, by=staff(Role.RESEARCHER))
    FOLLOW_UPS.get(key, _wait_for_runs)(demo, given, runs)
    given.refresh_from_db()


def _wait_for_runs(demo: Demo, given: Round, runs: list[Run]) -> None:
    """See the runs of a step through, also those that an interrupted demo had started."""
    begun = runs or [run for run in (given.sft_run, given.reward_run) if run and not run.is_ended]
    if begun:
        demo.run_all(TITLES[begun[0].stage], begun)


def _demonstrate(demo: Demo, given: Round, runs: list[Run]) -> None:
    demo.label("Simulated labelers write", given.demonstration_batch, Cohort.TRAIN)


def _sample(demo: Demo, given: Round, runs: list[Run]) -> None:
    batch = given.comparison_batch
    demo.run_all("SFT policy answers", runs or list(batch.sample_runs.all() if batch else ()))


def _compare(demo: Demo, given: Round, runs: list[Run]) -> None:
    demo.label("Simulated labelers rank", given.comparison_batch, Cohort.TRAIN)


def _evaluate(demo: Demo, given: Round, runs: list[Run]) -> None:
    batch = given.evaluation.batch if given.evaluation else None
    demo.run_all("Policies answer for the evaluation", list(batch.sample_runs.all() if batch else ()))


FOLLOW_UPS: Mapping[str, Callable[[Demo, Round, list[Run]], None]] = {
    "demonstrate": _demonstrate,
    "sample": _sample,
    "compare": _compare,
    "evaluate": _evaluate,
}
TITLES: Mapping[str, str] = {Stage.SFT: "Supervised fine-tuning", Stage.REWARD: "Reward model"}


def take_prompts_in(demo: Demo) -> None:
    """Import the world's prompts by the rules of intake."""
    plan = demo.plan
    name = f"demo with seed {plan.seed}"
    known = Intake.objects.filter(file_name__startswith="demo with seed").first()
    if known is not None and known.file_name != name:
        raise DemoFailed(f"Here is a {known.file_name} already; --fresh puts it aside, or name its seed.")
    if known is not None and known.finished_at is not None:
        return
    with demo.display.step("Prompts taken in") as tell:
        rows = write_prompts(authors=plan.authors, per_author=plan.per_author, seed=plan.seed)
        import_prompts(
            rows=rows, file_name=name, progress=lambda read: tell(read / len(rows), f"{read} read")
        )


def freeze_demo_texts(demo: Demo) -> Dataset:
    """Freeze the text for pretraining and for the ptx mix."""
    known = Dataset.objects.filter(name=TEXTS).first()
    if known is not None:
        return known
    with demo.display.step("Pretraining text"):
        texts = documents(count=demo.plan.documents, seed=demo.plan.seed)
        return freeze_texts(name=TEXTS, texts=texts, by=staff(Role.RESEARCHER))


def make_base_model(demo: Demo, texts: Dataset) -> Model:
    """Pretrain the demo's base model, or take the one that the plan names."""
    known = Model.objects.filter(name=BASE).first()
    if known is not None:
        return known
    if demo.plan.base_model:
        with demo.display.step("Base model imported"):
            return import_model(source=demo.plan.base_model, name=BASE, by=staff(Role.RESEARCHER))
    run = named_run(demo, Stage.PRETRAIN, "tiny_pretrain", {"dataset": texts}, BASE)
    demo.run_all("Base model pretrained", [run])
    return Model.objects.get(run=run)


def train_policies(demo: Demo, given: Round) -> dict[str, Model]:
    """Train PPO-ptx, the round's own, and plain PPO beside it; returns all four policies by name."""
    step = rounds.next_step(given)
    if step is not None and step.key == "ppo" and step.can_start:
        rounds.start_step(given=given, key="ppo", by=staff(Role.RESEARCHER))
        given.refresh_from_db()
    supervised, reward = sft_model(given), model_of(given.reward_run)
    if given.ppo_run is None or given.prompts_dataset is None or supervised is None or reward is None:
        raise DemoFailed("PPO could not be started: the steps before it have not made what it needs.")
    inputs: dict[str, Input] = {"policy": supervised, "reward": reward, "prompts": given.prompts_dataset}
    plain = named_run(demo, Stage.PPO, "tiny_ppo", inputs, PLAIN_PPO)
    demo.run_all("PPO and PPO-ptx", [given.ppo_run, plain])
    given.refresh_from_db()
    if given.base_model is None:
        raise DemoFailed("The round has no base model.")
    return {
        "base": given.base_model,
        "SFT": supervised,
        "PPO": Model.objects.get(run=plain),
        "PPO-ptx": Model.objects.get(run=given.ppo_run),
    }


def named_run(
    demo: Demo, stage: str, config: str, inputs: Mapping[str, Input], name: str, **changes: str | int
) -> Run:
    """Return the demo's run of this name, created if it is not there or has failed.

    `changes` are settings of the stage's own section.
    """
    known = Run.objects.filter(stage=stage, model_name=name).exclude(
        state__in=(RunState.FAILED, RunState.CANCELLED)
    )
    run = known.first()
    if run is None:
        settings = apply_overrides(to_mapping(shipped_config(config)), demo.plan.overrides_for(stage))
        settings["inputs"] = {}
        settings[stage] = {**settings.get(stage, {}), **changes}
        run = create_run(
            stage=stage, config=settings, inputs=inputs, model_name=name, by=staff(Role.RESEARCHER)
        )
    return run


def rank_for_reward_check(demo: Demo, supervised: Model) -> Batch:
    """Let held-out labelers rank responses of the SFT policy twice: what the reward model is tested on."""
    batch = Batch.objects.filter(name=HELD_OUT_CHECK).first()
    if batch is None:
        policy = supervised.policy
        if policy is None:
            raise DemoFailed(f"{supervised} writes no responses.")
        manager = staff(Role.MANAGER)
        batch = create_batch(
            name=HELD_OUT_CHECK,
            kind=TaskKind.EVALUATION,
            cohorts=[Cohort.HELD_OUT],
            k=demo.plan.k,
            overlap=2,
            baseline=policy,
            by=manager,
        )
        prompts = choose_prompts(split=Split.VALID, count=demo.plan.held_out_prompts)
        config = apply_overrides(
            to_mapping(shipped_config(demo.plan.configs["sample"])), demo.plan.overrides_for(Stage.SAMPLE)
        )
        sample_for_batch(
            batch=batch, writers=[Writer(policy, demo.plan.k)], prompts=prompts, config=config, by=manager
        )
    demo.run_all("SFT policy answers once more", list(batch.sample_runs.all()))
    demo.label("Held-out labelers rank", batch, Cohort.HELD_OUT)
    return batch


def prompts_for_test(demo: Demo) -> Dataset:
    """Freeze the prompts; the test part is what every policy answers for the table."""
    return freeze_dataset(kind="ppo_prompts", name=TEST_PROMPTS, by=staff(Role.RESEARCHER))


def open_next_round(demo: Demo, given: Round) -> Round:
    """Let the new policy write the comparisons of the next round, which wait for real people."""
    following = Round.objects.filter(previous=given).first()
    if following is None:
        settings = {
            "k": demo.plan.next_k,
            "prompts": demo.plan.next_prompts,
            "valid_prompts": 0,
            "overlap": 1,
        }
        rounds.open_next_round(given=given, settings=settings, by=staff(Role.RESEARCHER))
        following = Round.objects.get(previous=given)
    batch = following.comparison_batch
    demo.run_all("The next round's responses", list(batch.sample_runs.all() if batch else ()))
    return following


@transaction.atomic
def open_writing(demo: Demo) -> None:
    """Open demonstration tasks beside the next round, so that people find both kinds of work."""
    if Batch.objects.filter(name=FOR_PEOPLE).exists():
        return
    manager = staff(Role.MANAGER)
    batch = create_batch(name=FOR_PEOPLE, kind=TaskKind.DEMONSTRATION, by=manager)
    prompts = choose_prompts(split=Split.TRAIN, count=demo.plan.next_prompts, used_in=TaskKind.DEMONSTRATION)
    add_writing_tasks(batch=batch, prompts=prompts)
    open_batch(batch=batch, by=manager)


def test_prompts() -> list[Prompt]:
    """Return the prompts of test authors, which nothing was trained on."""
    return list(Prompt.objects.usable().filter(split=Split.TEST, has_pii=False).order_by("pk"))
