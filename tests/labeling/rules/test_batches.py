"""Batches: faults named, slots made, progress counted."""

import pytest

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import Assignment, Batch, Labeler, TaskKind, User
from labeling.rules import assignments, batches, demonstrations
from tests.factories import PromptFactory, ResponseFactory, claimed, ranked_task, writing_batch

pytestmark = pytest.mark.django_db


def test_batch_takes_the_current_guideline_and_form() -> None:
    batch = batches.create_batch(name="B", kind=TaskKind.COMPARISON)
    assert batch.guideline is not None
    assert batch.guideline.kind == TaskKind.COMPARISON
    assert batch.form is not None
    assert batch.status == Batch.Status.DRAFT


def test_every_fault_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as refusal:
        batches.create_batch(
            name="", kind="poetry", cohorts=("nobody",), k=1, overlap=0, shared_fraction=2, lease_seconds=1
        )
    assert set(refusal.value.fields) == {
        "name", "kind", "cohorts", "k", "overlap", "shared_fraction", "lease_seconds"
    }  # fmt: skip


@pytest.mark.parametrize("kind", [TaskKind.COMPARISON, TaskKind.DEMONSTRATION])
def test_training_batches_are_closed_to_held_out_labelers(kind: str) -> None:
    with pytest.raises(InvalidInput, match="held-out labelers never"):
        batches.create_batch(name="B", kind=kind, cohorts=("train", "held_out"))


def test_labeler_may_not_make_batches(alice: Labeler) -> None:
    with pytest.raises(NotPermitted):
        batches.create_batch(name="B", kind=TaskKind.COMPARISON, by=alice.user)


def test_shared_pool_has_its_fraction_and_overlap() -> None:
    batch = batches.create_batch(name="B", kind=TaskKind.DEMONSTRATION, overlap=3, shared_fraction=0.2)
    batches.add_writing_tasks(batch=batch, prompts=PromptFactory.create_batch(7))
    batches.add_writing_tasks(batch=batch, prompts=PromptFactory.create_batch(13))
    assert batch.tasks.filter(is_shared=True, overlap=3).count() == 4
    assert batch.tasks.filter(is_shared=False, overlap=1).count() == 16
    batches.open_batch(batch=batch)
    assert Assignment.objects.open().count() == 4 * 3 + 16


def test_ranked_task_needs_two_to_nine_responses_to_its_prompt() -> None:
    batch = batches.create_batch(name="B", kind=TaskKind.COMPARISON)
    prompt = PromptFactory.create()
    responses = [ResponseFactory.create(prompt=prompt) for _ in range(10)]
    foreign = ResponseFactory.create()
    for wrong in (responses[:1], responses, [responses[0], foreign], [responses[0], responses[0]]):
        with pytest.raises(InvalidInput):
            batches.add_ranked_task(batch=batch, prompt=prompt, responses=wrong)
    task = batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses[:9])
    assert [candidate.response for candidate in task.candidates.all()] == responses[:9]


def test_kinds_of_task_do_not_mix() -> None:
    writing = batches.create_batch(name="W", kind=TaskKind.DEMONSTRATION)
    ranking = batches.create_batch(name="R", kind=TaskKind.COMPARISON)
    with pytest.raises(InvalidInput):
        ranked_task(writing)
    with pytest.raises(InvalidInput):
        batches.add_writing_tasks(batch=ranking, prompts=[PromptFactory.create()])


def test_open_batch_takes_no_more_tasks_and_opens_once() -> None:
    batch = writing_batch(tasks=1)
    with pytest.raises(Conflict):
        batches.add_writing_tasks(batch=batch, prompts=[PromptFactory.create()])
    with pytest.raises(Conflict):
        batches.open_batch(batch=batch)
    assert Assignment.objects.count() == 1


def test_empty_batch_does_not_open() -> None:
    batch = batches.create_batch(name="B", kind=TaskKind.DEMONSTRATION)
    with pytest.raises(InvalidInput, match="no tasks"):
        batches.open_batch(batch=batch)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.DRAFT


def test_progress_counts_slots_by_state(alice: Labeler, mia: User) -> None:
    batch = writing_batch(tasks=4)
    first = claimed(alice, TaskKind.DEMONSTRATION)
    demonstrations.submit_demonstration(assignment=first, text="done", idempotency_key="1")
    assignments.skip(assignment=claimed(alice, TaskKind.DEMONSTRATION), reason="unclear")
    claimed(alice, TaskKind.DEMONSTRATION)
    progress = batches.batch_progress(batch)
    assert progress == batches.BatchProgress(
        tasks=4, wanted=4, submitted=1, leased=1, open=2, skipped=1, surplus=0
    )
    assert progress.fraction == 0.25
    batches.close_batch(batch=batch, by=mia)
    assert batches.batch_progress(batch).open == 0
    with pytest.raises(Conflict):
        batches.close_batch(batch=batch, by=mia)
