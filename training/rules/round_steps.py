"""What each step of a round finds in the rows, and what it does when it is started."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import Batch, Policy, Prompt, TaskKind, User
from labeling.rules.batches import add_writing_tasks, create_batch, open_batch
from labeling.rules.policies import people_policy
from labeling.rules.texts import counted
from training.models import Dataset, Model, Round, Run, RunState, Stage
from training.rules.datasets import freeze_dataset
from training.rules.evaluations import start_evaluation, win_rate
from training.rules.round_facts import Facts
from training.rules.round_opening import (
    chain_of,
    config_for,
    model_of,
    open_round,
    policy_model,
    previous_policy,
    reward_model,
    sft_model,
)
from training.rules.runs import create_run
from training.rules.sampling import Pool, Writer, choose_prompts, sample_for_batch

GATE = 0.5
"""The win rate that the interval of a new policy must lie above."""
WAITING, READY, RUNNING, DONE, FAILED, HELD = "waiting", "ready", "running", "done", "failed", "held"


@dataclass(frozen=True)
class StepKind:
    """How a step is named, how its state is read from the rows, and what starting it does.

    `is_repeatable`: where its run failed, the step may be started again with a new run.
    `is_gated`: the round's gate must be open (`round_gate`).
    """

    title: str
    button: str
    look: Callable[[Round, Facts], tuple[str, str, Any]]
    start: Callable[[Round, User | None], list[Run]]
    is_repeatable: bool = False
    is_gated: bool = False


def step_keys(given: Round) -> list[str]:
    """Return the steps of a round in order; only the first round makes a supervised policy."""
    first = ["demonstrate", "freeze_demonstrations", "sft"] if given.previous is None else []
    return [*first, "sample", "compare", "freeze_comparisons", "reward", "ppo", "evaluate", "next"]


def _look_demonstrate(given: Round, facts: Facts) -> tuple[str, str, Any]:
    return _look_batch(given.demonstration_batch, facts, "Labelers will write demonstrations.")


def _demonstrate(given: Round, by: User | None) -> list[Run]:
    batch = create_batch(name=f"{given}: demonstrations", kind=TaskKind.DEMONSTRATION, by=by)
    add_writing_tasks(batch=batch, prompts=_prompts(given, TaskKind.DEMONSTRATION))
    given.demonstration_batch = open_batch(batch=batch, by=by)
    return []


def _freeze_demonstrations(given: Round, by: User | None) -> list[Run]:
    given.sft_dataset = freeze_dataset(kind="sft", name=f"{given}: demonstrations", by=by)
    return []


def _sft(given: Round, by: User | None) -> list[Run]:
    inputs = {"policy": _need(given.base_model), "dataset": _need(given.sft_dataset)}
    given.sft_run = create_run(stage=Stage.SFT, config=config_for(given, Stage.SFT), inputs=inputs, by=by)
    return [given.sft_run]


def _look_sample(given: Round, facts: Facts) -> tuple[str, str, Any]:
    batch = given.comparison_batch
    if batch is None:
        return READY, "The policies answer each prompt K times.", None
    if tasks := facts.progress[batch.pk].tasks:
        detail = f"{tasks} comparisons made."
        if alike := batch.settings.get("without_choice"):
            detail += f" {alike} more prompts had no two different responses."
        if used := batch.settings.get("used_before"):
            detail += f" {used} of the prompts had been compared before."
        return DONE, detail, batch
    return _look_sampling(batch, facts, None)


def _look_sampling(batch: Batch, facts: Facts, row: Any) -> tuple[str, str, Any]:
    """Say how far the responses of a batch are, which the newest round of sample runs writes."""
    waiting = facts.sampling.get(batch.pk, [])
    failed = next((run for run in waiting if run.can_retry), None)
    if failed is not None:
        return FAILED, f"{failed.reason} Open the run to try it again.", failed
    return RUNNING, "The responses are being sampled.", row or next(iter(waiting), None)


def _sample(given: Round, by: User | None) -> list[Run]:
    k = given.settings["k"]
    supervised, newest = _need(sft_model(given)), _need(policy_model(given))
    batch = create_batch(
        name=f"{given}: comparisons",
        kind=TaskKind.COMPARISON,
        k=k,
        overlap=given.settings["overlap"],
        shared_fraction=given.settings["shared_fraction"],
        by=by,
    )
    shares = given.settings.get("mix") or {"sft": k // 2, "newest": k - k // 2}
    by_name = {"sft": supervised, "newest": newest, "previous": previous_policy(given)}
    counts: Counter[Model] = Counter()
    for name, count in shares.items():
        if name in by_name:
            counts[_need(by_name[name])] += count
    writers = [Writer(_policy(model), count) for model, count in counts.items() if count]
    if best := shares.get("best_of"):
        writers.append(Writer(_policy(newest), best, best_of=given.settings.get("best_of_n", 16)))
    if written := shares.get("demonstration"):
        writers.append(Writer(people_policy(), written))
    reward, prompts, pool = _prompts_to_compare(given)
    given.comparison_batch = batch
    return sample_for_batch(
        batch=batch,
        writers=writers,
        prompts=prompts,
        config=config_for(given, Stage.SAMPLE),
        reward=reward,
        pool=pool,
        by=by,
    )


def _look_compare(given: Round, facts: Facts) -> tuple[str, str, Any]:
    batch = given.comparison_batch
    if batch is None or not facts.progress[batch.pk].tasks:
        return READY, "Labelers will rank the responses.", None
    return _look_batch(batch, facts, "")


def _open_comparisons(given: Round, by: User | None) -> list[Run]:
    batch = _need(given.comparison_batch)
    open_batch(batch=batch, by=by)
    return []


def _look_freeze_comparisons(given: Round, facts: Facts) -> tuple[str, str, Any]:
    return _look_made(given.comparisons_dataset, "Rankings and PPO prompts become datasets.")


def _freeze_comparisons(given: Round, by: User | None) -> list[Run]:
    only_own = given.settings.get("pool") == "round" and given.comparison_batch is not None
    selection = {"batches": [str(given.comparison_batch.code)]} if only_own and given.comparison_batch else {}
    given.comparisons_dataset = freeze_dataset(
        kind="comparisons", selection=selection, name=f"{given}: comparisons", by=by
    )
    given.prompts_dataset = freeze_dataset(kind="ppo_prompts", name=f"{given}: PPO prompts", by=by)
    return []


def _reward(given: Round, by: User | None) -> list[Run]:
    inputs = {"policy": _need(sft_model(given)), "dataset": _need(given.comparisons_dataset)}
    demonstrations = chain_of(given)[-1].sft_dataset
    if demonstrations is not None:
        inputs["demonstrations"] = demonstrations
    given.reward_run = create_run(
        stage=Stage.REWARD, config=config_for(given, Stage.REWARD), inputs=inputs, by=by
    )
    return [given.reward_run]


def _ppo(given: Round, by: User | None) -> list[Run]:
    inputs = {
        "policy": _need(sft_model(given)),
        "reward": _need(model_of(given.reward_run)),
        "prompts": _need(given.prompts_dataset),
    }
    if given.settings.get("start_from") == "newest":
        inputs |= {"policy": _need(policy_model(given)), "reference": _need(sft_model(given))}
    config = config_for(given, Stage.PPO)
    texts = next((row.pretrain_dataset for row in chain_of(given) if row.pretrain_dataset), None)
    if texts is not None:
        inputs["pretrain"] = texts
    elif config.get("ppo", {}).get("ptx_coef"):
        config = {**config, "ppo": {**config["ppo"], "ptx_coef": 0.0}}
    given.ppo_run = create_run(stage=Stage.PPO, config=config, inputs=inputs, by=by)
    return [given.ppo_run]


def _look_evaluate(given: Round, facts: Facts) -> tuple[str, str, Any]:
    evaluation = given.evaluation
    if evaluation is None:
        return READY, "Labelers compare the new policy with the supervised one.", None
    if not facts.progress[evaluation.batch_id].tasks:
        return _look_sampling(evaluation.batch, facts, evaluation)
    state, detail, _ = _look_batch(evaluation.batch, facts, "")
    rate = facts.win_rate(given)
    if rate is not None and rate.value is not None:
        shares = [f"{100 * share:.1f} %" for share in (rate.value, rate.low or 0, rate.high or 0)]
        detail = f"Win rate {shares[0]} (95 %: {shares[1]} to {shares[2]}). {detail}"
    return state, detail, evaluation


def _evaluate(given: Round, by: User | None) -> list[Run]:
    prompts = choose_prompts(split="test", count=given.settings["prompts"], used_in=TaskKind.EVALUATION)
    given.evaluation, runs = start_evaluation(
        policy=_policy(_need(model_of(given.ppo_run))),
        baseline=_policy(_need(sft_model(given))),
        prompts=prompts,
        name=f"{given}: PPO against SFT",
        config=config_for(given, Stage.SAMPLE),
        by=by,
    )
    return runs


def _look_next(given: Round, facts: Facts) -> tuple[str, str, Any]:
    following = facts.next_of(given)
    if following is not None:
        return DONE, f"{following} goes on from here.", following
    return READY, f"{_verdict(given, facts)} The new policy writes the responses of the next round.", None


def _verdict(given: Round, facts: Facts) -> str:
    """Say whether the new policy has won: the whole interval of the win rate lies above one half."""
    evaluation = given.evaluation
    if evaluation is None:
        return "Not evaluated."
    rate = facts.win_rate(given)
    if rate is None or rate.low is None or rate.high is None:
        return "Nobody has judged the new policy."
    if rate.low > GATE:
        return f"Verdict: {evaluation.policy} is better than {evaluation.baseline}."
    if rate.high < GATE:
        return f"Verdict: {evaluation.policy} is worse than {evaluation.baseline}."
    return f"Verdict: {evaluation.policy} is not shown to be better than {evaluation.baseline}."


def has_won(given: Round) -> bool:
    """Return whether the interval of the new policy's win rate lies above one half."""
    evaluation = given.evaluation
    if evaluation is None:
        return False
    rate = win_rate(policy=evaluation.policy, baseline=evaluation.baseline, batch=evaluation.batch)
    return rate.low is not None and rate.low > GATE


def follow(given: Round, by: User | None, **opening: Any) -> list[Run]:
    """Close the round, open the next one, and let the new policy write its comparisons at once.

    `opening` is what the next round does not inherit: a name, settings, texts (`open_round`).
    """
    given.closed_at = timezone.now()
    following = open_round(previous=given, by=by, **opening)
    runs = _sample(following, by)
    following.save()
    return runs


def _look_batch(batch: Batch | None, facts: Facts, promise: str) -> tuple[str, str, Any]:
    if batch is None:
        return READY, promise, None
    if batch.status == Batch.Status.DRAFT:
        return READY, "The batch waits to be opened.", batch
    progress = facts.progress[batch.pk]
    detail = f"{progress.submitted} of {progress.wanted} labels."
    is_done = batch.status == Batch.Status.CLOSED or progress.submitted >= progress.wanted
    return (DONE if is_done else RUNNING), detail, batch


def _look_made(row: Dataset | None, promise: str) -> tuple[str, str, Any]:
    return (READY, promise, None) if row is None else (DONE, f"{counted(row.rows, 'record')}.", row)


def _look_run(run: Run | None, promise: str) -> tuple[str, str, Any]:
    if run is None:
        return READY, promise, None
    if run.state == RunState.FINISHED:
        return DONE, f"Made {run.model}.", run
    if run.state in (RunState.FAILED, RunState.CANCELLED):
        return FAILED, run.reason, run
    if run.state == RunState.QUEUED:
        return RUNNING, f"{run.reason} It waits for a worker of the queue {run.queue}.".strip(), run
    return RUNNING, f"{run.get_state_display()}, {run.progress_percent} %.", run


KINDS: Mapping[str, StepKind] = {
    "demonstrate": StepKind("Collect demonstrations", "Open a batch", _look_demonstrate, _demonstrate),
    "freeze_demonstrations": StepKind(
        "Freeze demonstrations",
        "Freeze",
        lambda given, facts: _look_made(given.sft_dataset, "Demonstrations become a dataset."),
        _freeze_demonstrations,
    ),
    "sft": StepKind(
        "Train the supervised policy",
        "Start SFT",
        lambda given, facts: _look_run(given.sft_run, "Fine-tune the base model on the demonstrations."),
        _sft,
        is_repeatable=True,
        is_gated=True,
    ),
    "sample": StepKind("Sample responses", "Sample", _look_sample, _sample),
    "compare": StepKind("Collect comparisons", "Open the batch", _look_compare, _open_comparisons),
    "freeze_comparisons": StepKind(
        "Freeze comparisons", "Freeze", _look_freeze_comparisons, _freeze_comparisons
    ),
    "reward": StepKind(
        "Train the reward model",
        "Start reward model",
        lambda given, facts: _look_run(given.reward_run, "Learn the labelers' preferences."),
        _reward,
        is_repeatable=True,
        is_gated=True,
    ),
    "ppo": StepKind(
        "Train the policy with PPO",
        "Start PPO",
        lambda given, facts: _look_run(given.ppo_run, "Optimise the policy against the reward model."),
        _ppo,
        is_repeatable=True,
    ),
    "evaluate": StepKind("Evaluate", "Start evaluation", _look_evaluate, _evaluate),
    "next": StepKind("Open the next round", "Open the next round", _look_next, follow),
}


def _prompts_to_compare(given: Round) -> tuple[Model | None, list[Prompt], Pool | None]:
    """Return the reward model that scores what is sampled, the prompts, and the pool they are chosen from.

    Nothing is scored where no setting needs it; before there is a reward model, prompts are drawn at random.
    """
    settings = given.settings
    chooses = settings.get("choose_by") == "doubt"
    needs_scores = chooses or bool(settings.get("mix", {}).get("best_of"))
    reward = reward_model(given) if needs_scores else None
    if not chooses or reward is None:
        return reward, _prompts(given, TaskKind.COMPARISON), None
    count = settings["prompts"]
    drawn = choose_prompts(
        split="train",
        count=count * settings.get("pool_factor", 3),
        used_in=TaskKind.COMPARISON,
        seed=given.number,
    )
    extra = _valid_prompts(given, TaskKind.COMPARISON)
    return reward, drawn + extra, Pool(count, settings.get("control_fraction", 0.2), extra)


def _prompts(given: Round, kind: str) -> list[Prompt]:
    seed = None if given.settings.get("choose_by", "order") == "order" else given.number
    chosen = choose_prompts(split="train", count=given.settings["prompts"], used_in=kind, seed=seed)
    return chosen + _valid_prompts(given, kind)


def _valid_prompts(given: Round, kind: str) -> list[Prompt]:
    extra = given.settings["valid_prompts"]
    if not extra:
        return []
    try:
        return choose_prompts(split="valid", count=extra, used_in=kind)
    except InvalidInput:  # a small project may have no prompt of the valid split
        return []


def _policy(model: Model) -> Policy:
    policy: Policy = _need(model.policy)
    return policy


def _need(row: Any) -> Any:
    if row is None:
        raise Conflict("A step before this one has not made what it needs.", code="step_not_ready")
    return row
