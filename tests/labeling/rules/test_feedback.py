"""Batches for learning: the reference at once, what others saw otherwise later, and nothing elsewhere."""

from typing import Any

import pytest
from django.test import Client

from labeling.errors import Conflict
from labeling.models import Batch, Labeler, Receipt, TaskKind, User
from labeling.rules import assignments, comparisons, feedback, gold, revisions
from labeling.rules.comparisons import Judgement
from tests.factories import claimed, qualified_labeler, ranked_batch

pytestmark = pytest.mark.django_db
KIND = TaskKind.COMPARISON


def learning_batch(**fields: Any) -> Batch:
    return ranked_batch(tasks=1, k=2, settings={"gives_feedback": True}, **fields)


def codes(batch: Batch) -> list[str]:
    return [str(code) for code in batch.tasks.get().responses.order_by("code").values_list("code", flat=True)]


def rank(labeler: Labeler, order: list[str]) -> Receipt:
    mine = claimed(labeler, KIND)
    responses = comparisons.responses_in_display_order(mine)
    judged = [Judgement(r.code, order.index(str(r.code)) + 1, 4) for r in responses]
    return comparisons.submit_ranking(assignment=mine, judgements=judged, idempotency_key=str(mine.code))


def mark(batch: Batch, order: list[str], by: User) -> None:
    task = batch.tasks.get()
    judged = [
        Judgement(response.code, order.index(str(response.code)) + 1) for response in task.responses.all()
    ]
    gold.mark_gold(task=task, judgements=judged, reason="The first keeps to the question.", by=by)


def test_the_reference_is_shown_after_submitting_and_what_was_submitted_stands(
    alice: Labeler, dana: User, client: Client
) -> None:
    batch = learning_batch()
    order = codes(batch)
    mark(batch, order, dana)
    mine = claimed(alice, KIND)
    assert feedback.feedback_on(mine) is None  # not before
    receipt = rank(alice, order[::-1])
    found = feedback.feedback_on(receipt.assignment)
    assert found is not None
    assert (found.pairs, found.alike, found.reason) == (1, 0, "The first keeps to the question.")
    assert {(row.yours, row.theirs) for row in found.rows} == {(1, 2), (2, 1)}
    with pytest.raises(Conflict):
        revisions.undo_submission(receipt=receipt)
    with pytest.raises(Conflict):
        revisions.reopen_submission(receipt=receipt)
    client.force_login(alice.user)
    page = client.get(f"/receipts/{receipt.code}/").content.decode()
    assert "You agree with the researchers on 0 of 1 pair" in page
    assert "Revise it" not in page


def test_gold_elsewhere_stays_silent(alice: Labeler, dana: User) -> None:
    batch = ranked_batch(tasks=1, k=2)
    mark(batch, codes(batch), dana)
    receipt = rank(alice, codes(batch))
    assert feedback.feedback_on(receipt.assignment) is None
    assert revisions.may_reopen(receipt)


def test_pairs_that_all_others_put_the_other_way_are_shown_once_all_have_finished(
    alice: Labeler, client: Client
) -> None:
    batch = learning_batch(overlap=3)
    order = codes(batch)
    rank(alice, order)
    rank(qualified_labeler(), order[::-1])
    assert feedback.differences(alice) == []  # somebody has yet to answer
    rank(qualified_labeler(), order[::-1])
    (found,) = feedback.differences(alice)
    assert [str(found.yours_above.code), str(found.theirs_above.code), found.others] == [*order, 2]
    client.force_login(alice.user)
    assert "2 others put this above" in client.get("/work/differences/").content.decode()


def test_one_other_opinion_is_not_enough(alice: Labeler) -> None:
    batch = learning_batch(overlap=2)
    rank(alice, codes(batch))
    rank(qualified_labeler(), codes(batch)[::-1])
    assert feedback.differences(alice) == []


def test_a_labeler_gets_no_more_of_a_batch_than_its_cap(alice: Labeler) -> None:
    ranked_batch(tasks=3, k=2, labeler_cap=2)
    for _ in range(2):
        mine = claimed(alice, KIND)
        order = [str(response.code) for response in comparisons.responses_in_display_order(mine)]
        rank(alice, order)
    assert assignments.claim_next(labeler=alice, kind=KIND) is None
    assert assignments.claim_next(labeler=qualified_labeler(), kind=KIND) is not None
