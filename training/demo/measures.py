"""What the table at the end says, measured on prompts of test authors that nothing was trained on.

Gold scores come from `gold.py` and are known to no model; win rates come from gold and from held-out
labelers.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import fmean
from typing import Any

from labeling.models import Batch, Cohort, Response, Role, TaskKind
from labeling.rules.agreement import batch_agreement
from labeling.rules.batches import add_ranked_tasks, create_batch, open_batch
from training.demo.gold import GOOD, gold_score
from training.demo.loop import (
    Demo,
    DemoFailed,
    do_step,
    named_run,
    prompts_for_test,
    rank_for_reward_check,
    test_prompts,
)
from training.demo.people import staff
from training.models import Model, Round, Run, Stage
from training.rules.datasets import freeze_dataset
from training.rules.evaluations import clustered_share, win_rate
from training.rules.round_opening import model_of, sft_model

BASELINE = "SFT"
LABELERS_BATCH = "Base and PPO against SFT"
PPO_NAMES = ("PPO", "PPO-ptx")
CHANCE = 0.5
"""A policy beats SFT where the whole interval of its win rate lies above this."""


@dataclass(frozen=True)
class Share:
    """A share with its 95 % interval."""

    value: float | None = None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "-"
        interval = (
            "" if self.low is None or self.high is None else f" ({100 * self.low:.0f}-{100 * self.high:.0f})"
        )
        return f"{self.value:.1%}{interval}"


@dataclass(frozen=True)
class Row:
    """One policy in the table.

    gold       mean gold score of its responses to test prompts, 0 to 1
    good       share of responses with a gold score of at least 0.9
    gold_win   how often its gold score beats SFT's on the same prompt, ties half
    label_win  how often held-out simulated labelers prefer it to SFT, ties half
    kl         nats per response from SFT, on valid prompts
    ptx_loss   nats per token on held-out pretraining text
    tokens     mean length of a response
    ended      share of responses that end by themselves
    """

    policy: str
    gold: float
    good: float
    gold_win: Share
    label_win: Share
    kl: float | None
    ptx_loss: float | None
    tokens: float
    ended: float

    @property
    def beats_baseline(self) -> bool:
        """True where the whole interval of the win rate lies above one half."""
        return (self.gold_win.low or 0.0) > CHANCE


@dataclass(frozen=True)
class RewardCheck:
    """The reward model against held-out labelers it never saw: chance is 0.5, agreement the ceiling."""

    accuracy: Share
    pairs: int
    agreement: Share


@dataclass(frozen=True)
class Report:
    """Everything the demo found out."""

    seed: int
    rows: list[Row]
    reward: RewardCheck
    train_agreement: Share
    test_prompts: int
    seconds: dict[str, float] = field(default_factory=dict)

    def failures(self) -> list[str]:
        """Return a sentence for each policy that does not clearly beat SFT by the gold preference."""
        return [
            f"{row.policy} does not beat SFT by the gold preference: it wins {row.gold_win}, half is chance."
            for row in self.rows
            if row.policy in PPO_NAMES and not row.beats_baseline
        ]

    def as_mapping(self) -> dict[str, Any]:
        """Return the report as --json prints it."""
        return {**asdict(self), "failures": self.failures()}


def check_reward_model(demo: Demo, given: Round) -> RewardCheck:
    """Measure the reward model on rankings by held-out labelers, beside their agreement with each other."""
    supervised, reward = sft_model(given), model_of(given.reward_run)
    if supervised is None or reward is None:
        raise DemoFailed("There is no reward model to check.")
    batch = rank_for_reward_check(demo, supervised)
    dataset = freeze_dataset(
        kind="comparisons",
        name="held-out comparisons",
        selection={"cohorts": [Cohort.HELD_OUT.value], "batches": [str(batch.code)]},
        by=staff(Role.RESEARCHER),
    )
    run = named_run(
        demo,
        Stage.EVALUATE,
        "tiny_evaluate",
        {"reward": reward, "dataset": dataset},
        "check-reward",
        split="test",
    )
    demo.run_all("Reward model checked", [run])
    run.refresh_from_db()
    found = run.result
    agreement = batch_agreement(batch)
    return RewardCheck(
        accuracy=Share(found["valid/accuracy"], found["valid/accuracy_low"], found["valid/accuracy_high"]),
        pairs=int(found["valid/pairs"]),
        agreement=Share(agreement.value, agreement.low, agreement.high),
    )


def measure(demo: Demo, given: Round, policies: Mapping[str, Model], reward: RewardCheck) -> Report:
    """Let every policy answer the test prompts and held-out labelers judge, and put the numbers together."""
    samples, measured = _sample_and_evaluate(demo, given, policies)
    responses = {name: _responses_of(run) for name, run in samples.items()}
    label_wins = _label_wins(demo, given, policies, responses)
    gold = {name: _gold_by_prompt(given) for name, given in responses.items()}
    rows = []
    for name in policies:
        mine = responses[name]
        scores = [score for scores in gold[name].values() for score in scores]
        rows.append(
            Row(
                policy=name,
                gold=fmean(scores),
                good=fmean(score >= GOOD for score in scores),
                gold_win=_gold_win(gold[name], gold[BASELINE]) if name != BASELINE else Share(),
                label_win=label_wins.get(name, Share()),
                kl=measured[name].result.get("objective/kl"),
                ptx_loss=measured[name].result.get("valid/ptx_loss"),
                tokens=fmean(response.sampling.get("tokens", 0) for response in mine),
                ended=fmean(response.has_ended for response in mine),
            )
        )
    comparisons = batch_agreement(given.comparison_batch) if given.comparison_batch else None
    return Report(
        seed=demo.plan.seed,
        rows=rows,
        reward=reward,
        train_agreement=Share(comparisons.value, comparisons.low, comparisons.high)
        if comparisons
        else Share(),
        test_prompts=len(gold[BASELINE]),
        seconds={name: round(seconds, 1) for name, seconds in demo.display.seconds.items()},
    )


def _sample_and_evaluate(
    demo: Demo, given: Round, policies: Mapping[str, Model]
) -> tuple[dict[str, Run], dict[str, Run]]:
    """Sample responses to the test prompts, and measure KL and ptx loss on valid parts."""
    prompts, texts = prompts_for_test(demo), given.pretrain_dataset
    if texts is None:
        raise DemoFailed("The round has no pretraining text.")
    samples = {
        name: named_run(
            demo,
            Stage.SAMPLE,
            "tiny_sample",
            {"policy": model, "prompts": prompts},
            f"test-{name}",
            split="test",
            k=demo.plan.test_samples,
        )
        for name, model in policies.items()
    }
    measured = {
        name: named_run(
            demo,
            Stage.EVALUATE,
            "tiny_evaluate",
            {"policy": model, "reference": policies[BASELINE], "prompts": prompts, "pretrain": texts},
            f"measure-{name}",
            split="valid",
        )
        for name, model in policies.items()
    }
    demo.run_all("Policies answer test prompts", [*samples.values(), *measured.values()])
    for run in measured.values():
        run.refresh_from_db()
    return samples, measured


def _responses_of(run: Run) -> list[Response]:
    found = Response.objects.filter(sampling__run=str(run.code)).select_related("prompt")
    return list(found.order_by("prompt_id", "index"))


def _gold_by_prompt(responses: Sequence[Response]) -> dict[int, list[float]]:
    scores: dict[int, list[float]] = defaultdict(list)
    for response in responses:
        scores[response.prompt_id].append(gold_score(response.prompt.text, response.text))
    return scores


def _gold_win(ours: Mapping[int, Sequence[float]], theirs: Mapping[int, Sequence[float]]) -> Share:
    """Compare every response with every one of the baseline's on the same prompt; ties count half."""
    clusters = [
        [0.5 if mine == other else float(mine > other) for mine in ours[prompt] for other in theirs[prompt]]
        for prompt in ours
        if prompt in theirs
    ]
    return Share(*clustered_share(clusters))


def _label_wins(
    demo: Demo, given: Round, policies: Mapping[str, Model], responses: Mapping[str, Sequence[Response]]
) -> dict[str, Share]:
    """Let held-out labelers compare with SFT: PPO-ptx by the round's own step, the others beside it."""
    do_step(demo, given, "evaluate")
    evaluation = given.evaluation
    if evaluation is None:
        raise DemoFailed("The round's evaluation could not be started.")
    beside = _batch_beside(policies, {name: responses[name] for name in ("base", BASELINE, "PPO")})
    for batch in (evaluation.batch, beside):
        batch.refresh_from_db()
        demo.label("Held-out labelers compare policies", batch, Cohort.HELD_OUT)
    baseline = policies[BASELINE].policy
    wins = {}
    for name, batch in (("base", beside), ("PPO", beside), ("PPO-ptx", evaluation.batch)):
        policy = policies[name].policy
        if policy is not None and baseline is not None:
            rate = win_rate(policy=policy, baseline=baseline, batch=batch, cohort=Cohort.HELD_OUT)
            wins[name] = Share(rate.value, rate.low, rate.high)
    return wins


def _batch_beside(policies: Mapping[str, Model], responses: Mapping[str, Sequence[Response]]) -> Batch:
    """Make a batch of final-evaluation tasks from each policy's first response to each test prompt."""
    known = Batch.objects.filter(name=LABELERS_BATCH).first()
    if known is not None:
        return known
    manager = staff(Role.MANAGER)
    batch = create_batch(
        name=LABELERS_BATCH,
        kind=TaskKind.EVALUATION,
        cohorts=[Cohort.HELD_OUT],
        k=len(responses),
        baseline=policies[BASELINE].policy,
        by=manager,
    )
    first: dict[int, dict[str, Response]] = defaultdict(dict)
    for name, given in responses.items():
        for response in given:
            first[response.prompt_id].setdefault(name, response)
    items = [
        (prompt, [first[prompt.pk][name] for name in responses])
        for prompt in test_prompts()
        if first[prompt.pk].keys() == responses.keys()
    ]
    add_ranked_tasks(batch=batch, items=items)
    return open_batch(batch=batch, by=manager)
