"""Second thoughts: taken back within seconds, reopened for a while, and datasets that were frozen before."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from labeling.errors import AssignmentClosed, Conflict, InvalidInput
from labeling.models import Assignment, Demonstration, Ranking, Receipt, TaskKind
from labeling.rules import assignments, revisions
from labeling.rules.batches import batch_progress
from labeling.rules.comparisons import Judgement, responses_in_display_order, submit_ranking
from labeling.rules.demonstrations import submit_demonstration
from tests.factories import claimed, qualified_labeler, ranked_batch, writing_batch

pytestmark = pytest.mark.django_db
KIND = TaskKind.DEMONSTRATION


def submitted(text: str = "First words.") -> tuple[Assignment, Receipt]:
    slot = claimed(qualified_labeler(), KIND)
    return slot, submit_demonstration(assignment=slot, text=text, idempotency_key="a")


def submit(slot: Assignment, text: str, key: str) -> Receipt:
    return submit_demonstration(assignment=slot, text=text, idempotency_key=key)


def long_ago(receipt: Receipt, **ago: Any) -> Receipt:
    receipt.created_at = timezone.now() - timedelta(**ago)
    receipt.save(update_fields=["created_at"])
    return receipt


def test_a_submission_taken_back_is_in_hand_again_and_counts_no_more() -> None:
    batch = writing_batch(tasks=1)
    slot, receipt = submitted()
    taken = revisions.undo_submission(receipt=receipt)
    assert (taken.state, taken.draft.payload) == ("leased", {"text": "First words."})
    assert Demonstration.objects.get().is_surplus
    assert batch_progress(batch).submitted == 0
    assert revisions.undo_submission(receipt=receipt) == taken  # twice does nothing more
    second = submit_demonstration(assignment=slot, text="Second words.", idempotency_key="b")
    assert (second.revision, second.is_surplus) == (2, False)
    newest = Demonstration.objects.newest().get()
    assert (newest.text, newest.revision, newest.is_surplus) == ("Second words.", 2, False)
    assert batch_progress(batch).submitted == 1


def test_revision_keeps_what_was_typed_and_pasted_before_it() -> None:
    writing_batch(tasks=1)
    slot = claimed(qualified_labeler(), KIND)
    first = {"typed": 3, "pastes": 1, "pasted": 500, "longest_paste": 500}
    receipt = submit_demonstration(assignment=slot, text="One", idempotency_key="a", typing=first)
    revisions.reopen_submission(receipt=receipt)
    more = {"typed": 10, "pastes": 1, "pasted": 20, "longest_paste": 20}
    submit_demonstration(assignment=slot, text="One, and more", idempotency_key="b", typing=more)
    whole = {"typed": 13, "pastes": 2, "pasted": 520, "longest_paste": 500}
    assert [row.typing for row in Demonstration.objects.order_by("revision")] == [first, whole]


def test_seconds_later_a_submission_stands() -> None:
    writing_batch(tasks=1)
    _, receipt = submitted()
    with pytest.raises(Conflict, match="20 seconds"):
        revisions.undo_submission(receipt=long_ago(receipt, seconds=21))
    assert not Demonstration.objects.get().is_surplus


def test_a_reopened_submission_stands_until_the_revision_takes_its_place() -> None:
    batch = writing_batch(tasks=1)
    slot, receipt = submitted()
    reopened = revisions.reopen_submission(receipt=long_ago(receipt, minutes=29))
    assert reopened.state == "submitted"
    assert Demonstration.objects.newest().get().text == "First words."
    version = reopened.draft.version
    assignments.save_draft(assignment=slot, version=version, payload={"text": "Better"})
    assignments.heartbeat(assignment=slot, active_seconds=10)
    with pytest.raises(AssignmentClosed):
        assignments.skip(assignment=slot, reason="unclear")
    second = submit_demonstration(assignment=slot, text="Better words.", idempotency_key="b")
    assert second.revision == 2
    first, newest = Demonstration.objects.order_by("pk")
    assert newest.supersedes == first
    assert Demonstration.objects.newest().get() == newest
    assert batch_progress(batch).submitted == 1
    with pytest.raises(AssignmentClosed):
        submit_demonstration(assignment=slot, text="Third words.", idempotency_key="c")
    again = submit_demonstration(assignment=slot, text="Better words.", idempotency_key="b")
    assert again == second


def test_a_key_of_what_was_taken_back_submits_nothing_more() -> None:
    writing_batch(tasks=1)
    slot, receipt = submitted()
    revisions.undo_submission(receipt=receipt)
    for text in ("First words.", "Other words."):
        with pytest.raises(InvalidInput, match="under a new key") as refusal:
            submit(slot, text, "a")
        assert refusal.value.reason_code == "idempotency_key_reused"
    assert submit(slot, "First words.", "b").revision == 2
    with pytest.raises(AssignmentClosed) as closed:
        submit(slot, "First words.", "a")  # delivered once more, long after
    assert closed.value.reason_code == "already_submitted"
    assert Demonstration.objects.count() == 2


def test_while_reopened_only_the_newest_submission_repeats() -> None:
    writing_batch(tasks=1)
    slot, first = submitted()
    revisions.reopen_submission(receipt=first)
    with pytest.raises(InvalidInput) as refusal:
        submit(slot, "Better words.", "a")
    assert refusal.value.reason_code == "idempotency_key_reused"
    assert submit(slot, "First words.", "a") == first
    second = submit(slot, "Better words.", "b")
    assert submit(slot, "First words.", "a") == first  # nothing is open: this was the first, sent twice
    revisions.reopen_submission(receipt=second)
    with pytest.raises(InvalidInput):
        submit(slot, "First words.", "a")
    assert submit(slot, "First words.", "c").revision == 3
    assert Demonstration.objects.newest().get().text == "First words."


def test_only_the_last_submission_can_be_reopened_and_only_for_a_while() -> None:
    writing_batch(tasks=2)
    alice = qualified_labeler()
    receipts = [
        submit_demonstration(assignment=claimed(alice, KIND), text=f"Words {n}.", idempotency_key=str(n))
        for n in range(2)
    ]
    with pytest.raises(Conflict):
        revisions.reopen_submission(receipt=receipts[0])
    with pytest.raises(Conflict, match="30 minutes"):
        revisions.reopen_submission(receipt=long_ago(receipts[1], minutes=31))


def test_a_revision_can_be_given_up() -> None:
    writing_batch(tasks=1)
    slot, receipt = submitted()
    revisions.reopen_submission(receipt=receipt)
    revisions.keep_as_submitted(assignment=slot)
    with pytest.raises(AssignmentClosed):
        submit_demonstration(assignment=slot, text="Changed.", idempotency_key="b")
    assert Demonstration.objects.get().text == "First words."


def test_a_ranking_is_revised_as_a_whole() -> None:
    ranked_batch(tasks=1, k=2)
    slot = claimed(qualified_labeler(), TaskKind.COMPARISON)
    codes = [response.code for response in responses_in_display_order(slot)]
    judgements = [Judgement(code=code, rank=rank, likert=4) for rank, code in enumerate(codes, start=1)]
    receipt = submit_ranking(assignment=slot, judgements=judgements, idempotency_key="a")
    reopened = revisions.reopen_submission(receipt=receipt)
    assert [entry["rank"] for entry in reopened.draft.payload["responses"]] == [1, 2]
    turned = [Judgement(code=code, rank=3 - rank, likert=4) for rank, code in enumerate(codes, start=1)]
    submit_ranking(assignment=slot, judgements=turned, idempotency_key="b")
    newest = Ranking.objects.newest().get()
    assert (newest.revision, newest.supersedes.revision) == (2, 1)  # type: ignore[union-attr]
    assert newest.places.get(response__code=codes[0]).rank == 2
