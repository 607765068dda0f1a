"""A registry as large as a test or a benchmark wants it: rounds, runs with curves, models, evaluations."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sin
from typing import Any

from django.utils import timezone

from labeling.models import Batch, Policy, TaskKind, User
from tests.factories import PromptFactory
from tests.training.factories import draft_batch, ranking, sft_dataset
from training.models import (
    Dataset,
    DatasetKind,
    Evaluation,
    MetricPoint,
    Model,
    ModelKind,
    Round,
    Run,
    RunCurve,
    RunInput,
    RunState,
    Stage,
)
from training.rlhf.config import dump_config, parse_config, shipped_config, to_mapping
from training.rules.curves import add_to_curve
from training.rules.round_settings import DEFAULTS
from training.rules.workers import report_worker

METRICS = (
    "loss/policy", "loss/value", "loss/pretrain", "objective/score", "objective/kl", "objective/entropy",
    "rollout/length", "rollout/eos_fraction", "optim/learning_rate", "optim/grad_norm", "time/step_seconds",
    "memory/peak_gb",
)  # fmt: skip
CONFIGS = {Stage.REWARD: "tiny_reward", Stage.PPO: "tiny_ppo_ptx", Stage.SFT: "tiny_sft"}
SAMPLE = {"step": 10, "prompt": "Say why the sky is blue. " * 8, "response": "Because of the air. " * 20}


@dataclass
class Registry:
    """What was made, for whoever looks at its pages."""

    by: User
    base: Model
    texts: Dataset
    rounds: list[Round] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)


def fill(
    *, by: User, rounds: int, points: int, models: int = 0, judgements: int = 2, stored_runs: int = 1
) -> Registry:
    """Make that many finished rounds in a chain, each of two runs with curves of `points` points.

    models        how many there are in the end; those that no round made are imported
    judgements    rankings of each evaluation and of the newest round's comparisons
    stored_runs   how many runs keep every point beside their curves
    """
    texts = _dataset(DatasetKind.PRETRAIN, "texts", by)
    made = Registry(by, _model("base", ModelKind.BASE, by), texts)
    curves = _curves(points)
    supervised = _trained(made, Stage.SFT, {"policy": made.base, "dataset": sft_dataset()}, curves, "sft")
    newest = supervised
    for number in range(1, rounds + 1):
        newest = _round(made, number, supervised, newest, curves, judgements)
    for run in made.runs[:stored_runs]:
        _store_points(run, points)
    for number in range(Model.objects.count(), models):
        _model(f"imported-{number}", ModelKind.BASE, by)
    for number in range(4):
        report_worker(name=f"gpu@machine-{number}", queues=["gpu"], is_new=True)
    return made


def _round(
    made: Registry,
    number: int,
    supervised: Model,
    newest: Model,
    curves: Sequence[RunCurve],
    judgements: int,
) -> Model:
    """Make one round that goes on from the newest policy; returns the policy it made."""
    comparisons = _dataset(DatasetKind.COMPARISONS, f"comparisons {number}", made.by)
    prompts = _dataset(DatasetKind.PPO_PROMPTS, f"prompts {number}", made.by)
    inputs = {"policy": supervised, "dataset": comparisons}
    reward = _trained(made, Stage.REWARD, inputs, curves, f"reward-{number}")
    inputs = {"policy": newest, "reward": reward, "prompts": prompts, "pretrain": made.texts}
    policy = _trained(made, Stage.PPO, inputs, curves, f"ppo-{number}")
    compared = draft_batch(k=2)
    for _ in range(judgements if number == 1 else 0):
        ranking([1, 2], batch=compared)
    evaluation = _evaluation(policy, supervised, judgements)
    Batch.objects.filter(pk__in=(compared.pk, evaluation.batch_id)).update(status=Batch.Status.CLOSED)
    previous = made.rounds[-1] if made.rounds else None
    if previous is not None:
        Round.objects.filter(pk=previous.pk).update(closed_at=timezone.now())
    made.rounds.append(
        Round.objects.create(
            number=number,
            previous=previous,
            base_model=made.base,
            settings={**DEFAULTS, "start_from": "newest"},
            comparison_batch=compared,
            comparisons_dataset=comparisons,
            prompts_dataset=prompts,
            reward_run=reward.run,
            ppo_run=policy.run,
            evaluation=evaluation,
            created_by=made.by,
            **({} if previous else {"sft_run": supervised.run}),
        )
    )
    made.evaluations.append(evaluation)
    return policy


def _evaluation(policy: Model, baseline: Model, judgements: int) -> Evaluation:
    assert policy.policy is not None
    assert baseline.policy is not None
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline.policy)
    for number in range(judgements):
        ranks = ([1, 2], [1, 2], [2, 1], [1, 1])[number % 4]
        prompt = PromptFactory.create(split="test")
        ranking(ranks, batch=batch, prompt=prompt, policies=[policy.policy, baseline.policy])
    return Evaluation.objects.create(
        name=f"{policy} against {baseline}", policy=policy.policy, baseline=baseline.policy, batch=batch
    )


def _trained(
    made: Registry, stage: Stage, inputs: dict[str, Any], curves: Sequence[RunCurve], name: str
) -> Model:
    """Make a finished run with its curves, and its model."""
    paths = {given: f"inputs/{given}" for given in inputs}
    config = {**to_mapping(shipped_config(CONFIGS[stage])), "inputs": paths}
    run = Run.objects.create(
        stage=stage,
        state=RunState.FINISHED,
        config=dump_config(parse_config(stage, config)),
        folder=name,
        created_by=made.by,
        started_at=timezone.now(),
        finished_at=timezone.now(),
        progress_done=80,
        progress_total=80,
        progress_unit="steps",
        worker="gpu@machine-0",
        log_tail="step 80 of 80\n" * 40,
        samples=[SAMPLE] * 8,
        result={name: curve.last for name, curve in zip(METRICS, curves, strict=True)},
    )
    for key, given in inputs.items():
        read = {"dataset": given} if isinstance(given, Dataset) else {"model": given}
        RunInput.objects.create(run=run, name=key, **read)
    RunCurve.objects.bulk_create(_copies(curves, run))
    made.runs.append(run)
    kind = ModelKind(stage.value)
    return _model(name, kind, made.by, run=run)


def _model(name: str, kind: ModelKind, by: User, **fields: Any) -> Model:
    policy = None
    if kind.writes:
        policy, _ = Policy.objects.get_or_create(name=name, defaults={"kind": Policy.Kind.TRAINED})
    return Model.objects.create(
        name=name,
        kind=kind,
        folder=f"models/{name}",
        policy=policy,
        created_by=by,
        facts={"parameters": 439_040, "metrics": {"valid/loss": 1.25}},
        **fields,
    )


def _dataset(kind: DatasetKind, name: str, by: User) -> Dataset:
    counts = {"labeler_id": {f"L-{n}": 10 for n in range(40)}, "instruction_version": {"3": 400}}
    return Dataset.objects.create(
        kind=kind,
        name=name,
        hash=f"{name:x<64}"[:64],
        folder=f"datasets/{name}",
        rows=400,
        counts={"train": 360, "valid": 40},
        manifest={"kind": kind.value, "selection": {}},
        statistics={"counts": counts},
        traced_at=timezone.now(),
        created_by=by,
    )


def _curves(points: int) -> list[RunCurve]:
    """Draw each metric's curve as a run that reports so many points does."""
    curves = [RunCurve(name=name) for name in METRICS]
    for step in range(points):
        for place, curve in enumerate(curves):
            add_to_curve(curve, step, sin(step / 5000 + place))
    return curves


def _copies(curves: Sequence[RunCurve], run: Run) -> list[RunCurve]:
    columns = [
        column.attname for column in RunCurve._meta.concrete_fields if column.name not in ("id", "run")
    ]
    return [RunCurve(run=run, **{name: getattr(curve, name) for name in columns}) for curve in curves]


def _store_points(run: Run, points: int) -> None:
    MetricPoint.objects.bulk_create(
        (
            MetricPoint(run=run, step=step, values={name: sin(step / 5000) for name in METRICS})
            for step in range(points)
        ),
        batch_size=1000,
    )
