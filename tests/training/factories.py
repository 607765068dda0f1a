"""Rows of the training side, and a stand-in for the training process that a test can tell what to do."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from labeling.models import Batch, Cohort, Demonstration, Labeler, Policy, Prompt, Ranking, Task, TaskKind
from labeling.rules import batches, comparisons
from labeling.rules.judgements import Judgement
from tests.factories import LabelerFactory, PromptFactory, ResponseFactory, people_response
from training.models import Dataset, Model, ModelKind, Run
from training.rules import artifacts, datasets, runs
from training.rules.run_inputs import Input

FAKE_TRAINER = Path(__file__).parent / "fake_trainer.py"


def fake_command(script: Mapping[str, Any]) -> Any:
    """Return a replacement for `run_process.command` whose process does what the script says."""

    def command(run: Run, folder: Path) -> list[str]:
        (folder / "script.json").write_text(json.dumps(dict(script)))
        return [sys.executable, str(FAKE_TRAINER), str(folder / "run.toml")]

    return command


def demonstration(
    *, prompt: Prompt | None = None, labeler: Labeler | None = None, text: str = "Sleep early.", **fields: Any
) -> Demonstration:
    """Return a demonstration, by a training labeler for a training prompt unless told otherwise."""
    prompt = prompt or PromptFactory.create()
    labeler = labeler or LabelerFactory.create()
    response = people_response(prompt, text)
    return Demonstration.objects.create(
        prompt=prompt, labeler=labeler, response=response, text=text, **fields
    )


def draft_batch(kind: str = TaskKind.COMPARISON, k: int = 4, **fields: Any) -> Batch:
    """Return an empty draft batch of a ranked kind."""
    cohorts = [Cohort.TRAIN, Cohort.HELD_OUT] if kind == TaskKind.EVALUATION else [Cohort.TRAIN]
    return batches.create_batch(name="Ranking", kind=kind, k=k, cohorts=cohorts, **fields)


def ranking(
    ranks: Sequence[int],
    *,
    batch: Batch | None = None,
    prompt: Prompt | None = None,
    labeler: Labeler | None = None,
    policies: Sequence[Policy] = (),
    task: Task | None = None,
    likert: Sequence[int] = (),
    flags: Mapping[str, bool] | None = None,
) -> Ranking:
    """Return a ranking with these ranks in the task's own order, over new responses or a task's."""
    prompt = prompt or PromptFactory.create()
    if task is None:
        writers: list[dict[str, Any]] = [{"policy": policy} for policy in policies] or [{} for _ in ranks]
        responses = [ResponseFactory.create(prompt=prompt, **writer) for writer in writers]
        batch = batch or draft_batch(k=len(ranks))
        task = batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
    ordered = [candidate.response for candidate in task.candidates.select_related("response")]
    return comparisons.record_ranking(
        task=task,
        labeler=labeler or LabelerFactory.create(),
        judgements=[
            Judgement(
                code=response.code,
                rank=rank,
                likert=(likert[at] if likert else None),
                flags=dict(flags or {}),
            )
            for at, (response, rank) in enumerate(zip(ordered, ranks, strict=True))
        ],
    )


def sft_dataset() -> Dataset:
    """Return a frozen dataset of two demonstrations."""
    demonstration()
    demonstration()
    return datasets.freeze_dataset(kind="sft")


def stored_model(
    kind: str = ModelKind.BASE, name: str | None = None, context: int | None = None, **fields: Any
) -> Model:
    """Return a model whose folder is stored and would fool nobody but a registry."""
    name = name or f"{kind}-{Model.objects.count()}"
    with artifacts.drafting() as draft:
        config = {} if context is None else {"max_position_embeddings": context}
        (draft / "config.json").write_text(json.dumps(config))
        artifacts.publish(draft, f"models/{name}")
    policy = Policy.objects.create(name=name, kind=Policy.Kind.TRAINED) if kind != ModelKind.REWARD else None
    return Model.objects.create(name=name, kind=kind, folder=f"models/{name}", policy=policy, **fields)


def sft_inputs() -> dict[str, Input]:
    """Return what an SFT run reads."""
    return {"policy": stored_model(), "dataset": sft_dataset()}


def sft_run(config: Mapping[str, Any] | None = None, **fields: Any) -> Run:
    """Return a queued SFT run of a stored model on a frozen dataset."""
    return runs.create_run(stage="sft", config=config or {}, inputs=sft_inputs(), **fields)
