"""A turn of the loop, step by step; the training process is a stand-in, everything else is real."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from labeling.errors import Conflict, InvalidInput
from labeling.models import Batch, Split
from labeling.rules.batches import close_batch
from tests.factories import PromptFactory
from tests.training.factories import demonstration, ranking, stored_model
from training.models import Model, ModelKind, Round, Run, RunState
from training.rules import rounds, run_execution
from training.rules.datasets import freeze_texts
from training.rules.run_execution import execute_run

pytestmark = pytest.mark.django_db(transaction=True)

Play = Callable[[Mapping[str, Any]], None]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_execution, "POLL_SECONDS", 0.05)


def start(given: Round, key: str) -> list[Run]:
    """Press the button of a step and let a worker do its runs."""
    runs = rounds.start_step(given=given, key=key)
    for run in runs:
        assert execute_run(run.code) == RunState.FINISHED
    given.refresh_from_db()
    return runs


def state(given: Round, key: str) -> str:
    return next(step.state for step in rounds.steps(given) if step.key == key)


def label(batch: Batch | None) -> None:
    """Let somebody rank everything in a batch, the first response first, and close it."""
    assert batch is not None
    for task in batch.tasks.all():
        ranking(list(range(1, task.responses.count() + 1)), task=task)
    batch.refresh_from_db()
    close_batch(batch=batch)


def test_first_round_goes_from_a_base_model_to_the_next_round(trainer: Play) -> None:
    for split in (Split.TRAIN, Split.TRAIN, Split.VALID, Split.TEST, Split.TEST):
        PromptFactory.create(split=split)
    texts = freeze_texts(name="stories", texts=["Once upon a time."])
    first = rounds.open_round(
        base_model=stored_model(), pretrain_dataset=texts, settings={"prompts": 2, "valid_prompts": 1, "k": 2}
    )
    assert [step.state for step in rounds.steps(first)] == ["ready"] + ["waiting"] * 9

    assert start(first, "demonstrate") == []
    assert state(first, "demonstrate") == "running"
    assert first.demonstration_batch is not None
    for task in first.demonstration_batch.tasks.all():
        demonstration(prompt=task.prompt)
    close_batch(batch=first.demonstration_batch)
    start(first, "freeze_demonstrations")
    assert first.sft_dataset is not None
    assert first.sft_dataset.counts == {"train": 2, "valid": 1}

    trainer({})
    start(first, "sft")
    sft = rounds.sft_model(first)
    assert sft is not None
    assert sft.kind == ModelKind.SFT

    trainer({"answers": 2})
    start(first, "sample")
    assert (state(first, "sample"), state(first, "compare")) == ("done", "running")
    label(first.comparison_batch)

    trainer({})
    start(first, "freeze_comparisons")
    start(first, "reward")
    (run,) = start(first, "ppo")
    assert {given.name for given in run.inputs.all()} == {"policy", "reward", "prompts", "pretrain"}

    trainer({"answers": 1})
    assert len(start(first, "evaluate")) == 2
    assert first.evaluation is not None
    label(first.evaluation.batch)
    assert "Win rate" in next(step.detail for step in rounds.steps(first) if step.key == "evaluate")

    assert "Gate not passed" in next(step.detail for step in rounds.steps(first) if step.key == "next")

    runs = start(first, "next")
    second = Round.objects.get(previous=first)
    assert first.closed_at is not None
    assert rounds.next_step(first) is None
    assert second.settings["k"] == 2
    assert [run.inputs.get(name="policy").model for run in runs] == [sft, Model.objects.get(kind="ppo")]
    upcoming = rounds.next_step(second)
    assert upcoming is not None
    assert (upcoming.key, upcoming.state) == ("compare", "running")


def test_step_is_done_once_however_often_its_button_is_pressed() -> None:
    PromptFactory.create()
    given = rounds.open_round(base_model=stored_model(), settings={"prompts": 1, "valid_prompts": 0})
    rounds.start_step(given=given, key="demonstrate")
    with pytest.raises(Conflict, match="Collect demonstrations"):
        rounds.start_step(given=given, key="demonstrate")
    assert Batch.objects.count() == 1


def test_step_before_its_turn_is_refused() -> None:
    given = rounds.open_round(base_model=stored_model())
    with pytest.raises(Conflict, match="does not wait for that step"):
        rounds.start_step(given=given, key="ppo")


def test_failed_run_is_replaced_by_a_new_one(trainer: Play) -> None:
    demonstration()
    given = rounds.open_round(base_model=stored_model(), settings={"prompts": 1, "valid_prompts": 0})
    rounds.start_step(given=given, key="demonstrate")
    assert given.demonstration_batch is not None
    close_batch(batch=given.demonstration_batch)
    start(given, "freeze_demonstrations")
    trainer({"crash": "no memory"})
    (run,) = rounds.start_step(given=given, key="sft")
    execute_run(run.code)
    assert state(given, "sft") == "failed"
    trainer({})
    (other,) = start(given, "sft")
    assert other != run
    assert state(given, "sft") == "done"


def test_round_without_what_it_needs_is_refused() -> None:
    with pytest.raises(InvalidInput, match="needs a base model"):
        rounds.open_round()
    with pytest.raises(InvalidInput, match="writes nothing"):
        rounds.open_round(base_model=stored_model(ModelKind.REWARD))
    with pytest.raises(InvalidInput) as error:
        rounds.open_round(base_model=stored_model(), settings={"k": 1, "configs": {"sft": "nope"}, "x": 1})
    assert set(error.value.fields) == {"k", "configs", "x"}


def test_round_is_followed_once() -> None:
    first = rounds.open_round(base_model=stored_model())
    rounds.open_round(previous=first)
    with pytest.raises(Conflict, match="followed"):
        rounds.open_round(previous=first)
