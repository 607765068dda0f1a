"""Demonstrations: verbatim, once, with versions."""

import pytest

from labeling.errors import AssignmentClosed, InvalidInput
from labeling.models import Assignment, Demonstration, Draft, Labeler, Response, TaskKind
from labeling.rules import assignments
from labeling.rules.demonstrations import submit_demonstration
from tests.factories import at_work, claimed, ranked_batch, writing_batch

HOSTILE = (
    "<img src=x onerror=alert(1)>\r\n{% include 'x' %}\u202e\U0001f469\u200d\U0001f680 =cmd|' /C calc'!A0 "
)


@pytest.fixture
def held(alice: Labeler) -> Assignment:
    writing_batch(tasks=1)
    return claimed(alice, TaskKind.DEMONSTRATION)


def test_text_is_stored_verbatim_with_versions_and_time(held: Assignment) -> None:
    at_work(held, 42)
    receipt = submit_demonstration(assignment=held, text=HOSTILE, idempotency_key="k")
    demonstration = Demonstration.objects.get()
    assert demonstration.text == HOSTILE
    assert demonstration.guideline == held.batch.guideline
    assert demonstration.form == held.batch.form
    assert demonstration.seconds == 42
    assert receipt.labeler == held.labeler
    assert len(receipt.content_hash) == 64


def test_two_labelers_may_write_the_same_text(held: Assignment, hana: Labeler) -> None:
    submit_demonstration(assignment=held, text="Yes.", idempotency_key="k")
    Assignment.objects.create(task=held.task, batch=held.batch, kind=held.kind, state="leased", labeler=hana)
    other = hana.assignments.get()
    submit_demonstration(assignment=other, text="Yes.", idempotency_key="k")
    assert Demonstration.objects.count() == 2
    assert Response.objects.count() == 1


@pytest.mark.parametrize("text", ["", " \n\t", "a\x00b", "\ud83d"])
def test_text_that_cannot_be_kept_is_refused(held: Assignment, text: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        submit_demonstration(assignment=held, text=text, idempotency_key="k")
    assert "text" in refusal.value.fields
    assert not Demonstration.objects.exists()


def test_refused_blank_text_leaves_the_draft_as_it_is(held: Assignment) -> None:
    assignments.save_draft(assignment=held, version=0, payload={"text": "a"})
    with pytest.raises(InvalidInput):
        submit_demonstration(assignment=held, text="  ", idempotency_key="k")
    draft = Draft.objects.get()
    assert (draft.version, draft.payload) == (1, {"text": "a"})


def test_ranked_task_takes_no_text(alice: Labeler) -> None:
    ranked_batch(tasks=1)
    with pytest.raises(InvalidInput, match="wants a ranking"):
        submit_demonstration(
            assignment=claimed(alice, TaskKind.COMPARISON), text="hello", idempotency_key="k"
        )


def test_withdrawn_slot_takes_nothing(held: Assignment) -> None:
    Assignment.objects.filter(pk=held.pk).update(state="withdrawn")
    with pytest.raises(AssignmentClosed):
        submit_demonstration(assignment=held, text="x", idempotency_key="k")


@pytest.mark.parametrize("key", ["", "k" * 81])
def test_key_must_have_a_length(held: Assignment, key: str) -> None:
    with pytest.raises(InvalidInput, match="Idempotency-Key"):
        submit_demonstration(assignment=held, text="x", idempotency_key=key)
