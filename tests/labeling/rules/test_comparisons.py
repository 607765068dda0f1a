"""Rankings: complete or refused, once only, kept when late."""

import threading
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connections
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from labeling.errors import AssignmentClosed, IncompleteRanking, InvalidInput
from labeling.models import Assignment, Draft, Labeler, Place, Ranking, Receipt, TaskKind
from labeling.rules import assignments, batches, comparisons
from labeling.rules.comparisons import Judgement
from tests.factories import PromptFactory, claimed, qualified_labeler, ranked_batch, ranked_task

COMPARISON = TaskKind.COMPARISON


def judge(assignment: Assignment, ranks: Sequence[int], likert: int | None = 4) -> list[Judgement]:
    codes = [candidate.response.code for candidate in assignment.task.candidates.all()]
    return [Judgement(code, rank, likert) for code, rank in zip(codes, ranks, strict=True)]


@pytest.fixture
def held(alice: Labeler) -> Assignment:
    """A comparison of four responses that Alice holds."""
    ranked_batch(tasks=1, k=4)
    return claimed(alice, COMPARISON)


def test_ranking_is_stored_with_places_versions_and_receipt(held: Assignment, alice: Labeler) -> None:
    judgements = judge(held, [2, 1, 2, 4])
    first = Judgement(judgements[0].code, 2, 7, {"fails_task": True}, "<b>bold</b> & \u202e rtl")
    receipt = comparisons.submit_ranking(
        assignment=held, judgements=[first, *judgements[1:]], idempotency_key="k1", notes="n", moves=3
    )
    ranking = Ranking.objects.get()
    assert ranking.labeler == alice
    assert ranking.shown_order == held.display_order
    assert (ranking.guideline, ranking.form) == (held.batch.guideline, held.batch.form)
    assert (ranking.notes, ranking.moves, ranking.was_touched, ranking.is_surplus) == ("n", 3, True, False)
    place = ranking.places.get(response__code=first.code)
    assert (place.rank, place.likert, place.flags) == (2, 7, {"fails_task": True})
    assert place.note == "<b>bold</b> & \u202e rtl"
    assert receipt.revision == 1
    held.refresh_from_db()
    assert held.state == Assignment.State.SUBMITTED


def test_same_key_gives_the_same_receipt(held: Assignment) -> None:
    first = comparisons.submit_ranking(
        assignment=held, judgements=judge(held, [1, 2, 3, 4]), idempotency_key="once"
    )
    again = comparisons.submit_ranking(
        assignment=held, judgements=judge(held, [1, 2, 3, 4]), idempotency_key="once"
    )
    assert again == first
    assert Ranking.objects.count() == 1


def test_the_same_key_under_another_ranking_is_refused_with_the_receipt(held: Assignment) -> None:
    first = comparisons.submit_ranking(
        assignment=held, judgements=judge(held, [1, 2, 3, 4]), idempotency_key="once"
    )
    with pytest.raises(AssignmentClosed) as refusal:
        comparisons.submit_ranking(
            assignment=held, judgements=judge(held, [4, 3, 2, 1]), idempotency_key="once"
        )
    assert (refusal.value.reason_code, refusal.value.receipt) == ("already_submitted", first)
    assert Place.objects.order_by("response_id").values_list("rank", flat=True)[0] == 1


def test_another_key_on_a_submitted_assignment_is_refused_with_the_receipt(held: Assignment) -> None:
    first = comparisons.submit_ranking(
        assignment=held, judgements=judge(held, [1, 2, 3, 4]), idempotency_key="a"
    )
    with pytest.raises(AssignmentClosed) as refusal:
        comparisons.submit_ranking(assignment=held, judgements=judge(held, [1, 2, 3, 4]), idempotency_key="b")
    assert refusal.value.reason_code == "already_submitted"
    assert refusal.value.receipt == first


def test_a_key_belongs_to_one_assignment(alice: Labeler) -> None:
    ranked_batch(tasks=2, k=2)
    first = claimed(alice, COMPARISON)
    comparisons.submit_ranking(assignment=first, judgements=judge(first, [1, 2]), idempotency_key="k")
    second = claimed(alice, COMPARISON)
    with pytest.raises(InvalidInput) as refusal:
        comparisons.submit_ranking(assignment=second, judgements=judge(second, [1, 2]), idempotency_key="k")
    assert refusal.value.reason_code == "idempotency_key_reused"


@pytest.mark.parametrize("fault", ["missing", "doubled", "foreign"])
def test_incomplete_ranking_is_refused_by_name_and_kept_as_draft(held: Assignment, fault: str) -> None:
    judgements = judge(held, [1, 2, 3, 4])
    last = judgements.pop()
    expected = {"missing": last.code, "doubled": judgements[0].code, "foreign": uuid4()}[fault]
    if fault == "doubled":
        judgements += [last, judgements[0]]
    if fault == "foreign":
        judgements += [last, Judgement(expected, 1, 1)]
    with pytest.raises(IncompleteRanking) as refusal:
        comparisons.submit_ranking(assignment=held, judgements=judgements, idempotency_key="k", notes="mine")
    assert str(expected) in refusal.value.fields["responses"]
    draft = Draft.objects.get(assignment=held)
    assert draft.payload["notes"] == "mine"
    assert len(draft.payload["responses"]) == len(judgements)
    assert not Ranking.objects.exists()
    held.refresh_from_db()
    assert held.state == Assignment.State.LEASED


@pytest.mark.parametrize(("rank", "likert"), [(0, 4), (5, 4), (1, None), (1, 0), (1, 8), (True, 4)])
def test_rank_and_rating_out_of_range_are_refused(held: Assignment, rank: int, likert: int | None) -> None:
    good = judge(held, [1, 2, 3, 4])
    bad = [Judgement(good[0].code, rank, likert), *good[1:]]
    with pytest.raises(IncompleteRanking) as refusal:
        comparisons.submit_ranking(assignment=held, judgements=bad, idempotency_key="k")
    assert list(refusal.value.fields["responses"]) == [str(good[0].code)]


def test_flag_that_was_not_asked_is_refused(held: Assignment) -> None:
    good = judge(held, [1, 2, 3, 4])
    bad = [Judgement(good[0].code, 1, 4, {"hallucination": True}), *good[1:]]
    with pytest.raises(InvalidInput, match="not asked"):
        comparisons.submit_ranking(assignment=held, judgements=bad, idempotency_key="k")


def test_conditional_flag_is_asked_where_the_prompt_has_its_tag(alice: Labeler) -> None:
    batch = batches.create_batch(name="Closed", kind=COMPARISON)
    ranked_task(batch, 2, PromptFactory.create(tags={"closed_domain": True}))
    batches.open_batch(batch=batch)
    held = claimed(alice, COMPARISON)
    one, two = judge(held, [1, 2])
    flagged = [Judgement(one.code, 1, 4, {"hallucination": False}), two]
    comparisons.submit_ranking(assignment=held, judgements=flagged, idempotency_key="k")
    assert Place.objects.get(rank=1).flags == {"hallucination": False}
    assert Place.objects.get(rank=2).flags == {}


def end_lease(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assignments.reclaim_leases()


def test_late_submission_takes_the_place_of_an_open_replacement(held: Assignment) -> None:
    end_lease(held)
    receipt = comparisons.submit_ranking(
        assignment=held, judgements=judge(held, [1, 2, 3, 4]), idempotency_key="late"
    )
    assert not receipt.is_surplus
    assert not Assignment.objects.open().exists()
    progress = batches.batch_progress(held.batch)
    assert (progress.wanted, progress.submitted, progress.open, progress.surplus) == (1, 1, 0, 0)


def test_late_submission_is_kept_as_surplus_where_the_replacement_is_taken(held: Assignment) -> None:
    end_lease(held)
    other = claimed(qualified_labeler(), COMPARISON)
    receipt = comparisons.submit_ranking(
        assignment=held, judgements=judge(held, [1, 2, 3, 4]), idempotency_key="late"
    )
    assert receipt.is_surplus
    assert Ranking.objects.get().is_surplus
    comparisons.submit_ranking(assignment=other, judgements=judge(other, [1, 2, 3, 4]), idempotency_key="x")
    progress = batches.batch_progress(held.batch)
    assert (progress.submitted, progress.surplus) == (1, 1)


def test_skipped_assignment_takes_no_ranking(held: Assignment) -> None:
    assignments.skip(assignment=held, reason="broken")
    with pytest.raises(AssignmentClosed, match="skipped"):
        comparisons.submit_ranking(assignment=held, judgements=judge(held, [1, 2, 3, 4]), idempotency_key="k")


def test_import_form_needs_no_rating(held: Assignment, alice: Labeler) -> None:
    ranking = comparisons.record_ranking(
        task=held.task, labeler=alice, judgements=judge(held, [1, 1, 2, 9], likert=None)
    )
    assert sorted(ranking.places.values_list("rank", flat=True)) == [1, 1, 2, 9]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("same_key", [True, False])
def test_submitting_twice_at_once_stores_one_ranking(same_key: bool) -> None:
    labeler = qualified_labeler()
    ranked_batch(tasks=1, k=3)
    held = claimed(labeler, COMPARISON)
    judgements = judge(held, [1, 2, 3])
    outcomes: list[str] = []
    barrier = threading.Barrier(4, timeout=30)

    def work(number: int) -> None:
        try:
            barrier.wait()
            key = "same" if same_key else f"key-{number}"
            receipt = comparisons.submit_ranking(assignment=held, judgements=judgements, idempotency_key=key)
            outcomes.append(str(receipt.code))
        except AssignmentClosed as error:
            outcomes.append(error.reason_code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    code = str(Receipt.objects.get().code)
    assert Ranking.objects.count() == 1
    assert sorted(outcomes) == sorted([code] * 4 if same_key else [code, *["already_submitted"] * 3])


class SubmittedRanksAreStored(TestCase):
    """What is stored is what was submitted, whatever the order, ties, gaps and flags."""

    @given(data=st.data(), k=st.integers(min_value=2, max_value=9))
    def test_submitted_judgements_equal_stored_places(self, data: st.DataObject, k: int) -> None:
        labeler = qualified_labeler()
        ranked_batch(tasks=1, k=k)
        held = claimed(labeler, COMPARISON)
        answers = st.tuples(
            st.integers(1, k),
            st.integers(1, 7),
            st.dictionaries(st.sampled_from(["fails_task", "harmful_advice"]), st.booleans()),
            st.text(
                alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=40
            ),
        )
        drawn = data.draw(st.lists(answers, min_size=k, max_size=k))
        judgements = [
            Judgement(UUID(code), *answer) for code, answer in zip(held.display_order, drawn, strict=True)
        ]
        comparisons.submit_ranking(assignment=held, judgements=judgements, idempotency_key="k")
        stored = {
            place.response.code: (place.rank, place.likert, place.flags, place.note)
            for place in Place.objects.filter(ranking__assignment=held).select_related("response")
        }
        assert stored == {j.code: (j.rank, j.likert, j.flags, j.note) for j in judgements}
