"""Policies that were judged, for the showcase: by labelers, on public sets, and by their own curves."""

import random

from labeling.models import Cohort, Policy, Prompt, Split, TaskKind, User
from labeling.rules import batches, comparisons, policies
from labeling.rules.judgements import Judgement
from tests.factories import PromptFactory, qualified_labeler
from training.models import BenchmarkResult, Evaluation, Model, ModelKind, Run, RunState, Stage
from training.rules import curves
from training.rules.benchmark_figures import summarize
from training.rules.benchmarks import import_benchmark, order_benchmarks

SETS = (("HellaSwag", 0.71, 0.58), ("RTE", 0.62, 0.64))
QUESTIONS = 60


def add_evaluation_scene(owner: User) -> None:
    """Let a PPO policy score ever higher, lose on a public set, and please nobody."""
    chance = random.Random(3)
    base = _model("base-autumn", ModelKind.BASE)
    supervised = _model("sft-autumn", ModelKind.SFT, parent=base)
    run = Run.objects.create(stage=Stage.PPO, config="", folder="scene-ppo", state=RunState.FINISHED)
    policy = _model("ppo-autumn", ModelKind.PPO, parent=supervised, run=run)
    curves.store_points(
        run,
        [
            {
                "step": step,
                "objective/score": 0.04 * step,
                "objective/score_std": 0.6,
                "objective/kl": 0.3 * step,
            }
            for step in range(1, 61)
        ],
    )
    _judged(owner, policy, supervised, chance)
    for name, before, after in SETS:
        _measured(name, {supervised: before, policy: after}, chance)


def _model(name: str, kind: ModelKind, **fields: object) -> Model:
    return Model.objects.create(
        name=name,
        kind=kind,
        folder="",
        source=f"example/{name}",
        policy=policies.policy_named(name),
        **fields,
    )


def _judged(owner: User, policy: Model, baseline: Model, chance: random.Random) -> None:
    ours, theirs = _writer(policy), _writer(baseline)
    batch = batches.create_batch(
        name="ppo-autumn against sft-autumn",
        kind=TaskKind.EVALUATION,
        k=2,
        cohorts=[Cohort.TRAIN, Cohort.HELD_OUT],
        baseline=theirs,
        by=owner,
    )
    people = [qualified_labeler(cohort=cohort) for cohort in (Cohort.TRAIN, Cohort.HELD_OUT) * 3]
    prompts: list[Prompt] = PromptFactory.create_batch(10, split=Split.TEST)
    for number, prompt in enumerate(prompts):
        answers = [
            policies.add_response(prompt=prompt, policy=writer, text=f"{writer} on {number}", index=9)
            for writer in (ours, theirs)
        ]
        task = batches.add_ranked_task(batch=batch, prompt=prompt, responses=answers)
        for labeler in people:
            order = chance.sample([1, 2], 2)
            comparisons.record_ranking(
                task=task,
                labeler=labeler,
                judgements=[
                    Judgement(code=answer.code, rank=rank, likert=6 - rank, flags={"hallucinates": rank == 2})
                    for answer, rank in zip(answers, order, strict=True)
                ],
            )
    Evaluation.objects.create(name=batch.name, policy=ours, baseline=theirs, batch=batch, created_by=owner)


def _measured(name: str, shares: dict[Model, float], chance: random.Random) -> None:
    rows = [
        (number, {"id": str(number), "prompt": "Say", "choices": ["a", "b"], "answer": 0})
        for number in range(QUESTIONS)
    ]
    about = {"file": f"{name.lower()}.jsonl", "sha256": "5f1d" * 16, "license": "MIT"}
    dataset, _ = import_benchmark(key="own", form="choice", rows=rows, name=name, about=about)
    for model, share in shares.items():
        [run] = order_benchmarks(models=[model], datasets=[dataset])
        Run.objects.filter(pk=run.pk).update(state=RunState.FINISHED)
        items = {str(number): float(chance.random() < share) for number in range(QUESTIONS)}
        figure = summarize("acc", items)._asdict()
        BenchmarkResult.objects.create(run=run, metric="acc", count=QUESTIONS, items=items, **figure)


def _writer(model: Model) -> Policy:
    if model.policy is None:
        raise LookupError(f"{model} writes nothing.")
    return model.policy
