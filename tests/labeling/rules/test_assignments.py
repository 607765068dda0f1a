"""Slots: who gets which, what a lease's end does, drafts, skips."""

import threading
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.utils import timezone

from labeling.errors import AssignmentClosed, InvalidInput, NotPermitted, StaleDraft
from labeling.models import Assignment, Draft, Labeler, Skip, TaskKind, User
from labeling.rules import assignments, batches, labelers, work_time
from tests.factories import claimed, qualified_labeler, ranked_batch, writing_batch

COMPARISON, DEMONSTRATION, EVALUATION = TaskKind.COMPARISON, TaskKind.DEMONSTRATION, TaskKind.EVALUATION
State = Assignment.State


def let_lease_end(assignment: Assignment) -> None:
    Assignment.objects.filter(pk=assignment.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def test_claim_leases_one_open_slot_and_stores_a_display_order(alice: Labeler) -> None:
    ranked_batch(tasks=1, k=5)
    assignment = claimed(alice, COMPARISON)
    assert assignment.state == State.LEASED
    assert assignment.labeler == alice
    assert assignment.lease_expires_at is not None
    assert assignment.lease_expires_at > timezone.now() + timedelta(minutes=29)
    codes = {str(response.code) for response in assignment.task.responses.all()}
    assert len(assignment.display_order) == 5
    assert set(assignment.display_order) == codes


def test_display_orders_differ_between_assignments(alice: Labeler) -> None:
    ranked_batch(tasks=1, k=9, overlap=8)
    people = [alice, *(qualified_labeler() for _ in range(7))]
    orders = {tuple(claimed(person, COMPARISON).display_order) for person in people}
    assert len(orders) > 1


def test_asking_again_returns_the_lease_held(alice: Labeler) -> None:
    writing_batch(tasks=3)
    first = claimed(alice, DEMONSTRATION)
    assert claimed(alice, DEMONSTRATION).pk == first.pk
    assert Assignment.objects.leased().count() == 1


def test_labeler_never_gets_a_task_twice(alice: Labeler) -> None:
    writing_batch(tasks=2, overlap=3)
    tasks = []
    for _ in range(2):
        assignment = claimed(alice, DEMONSTRATION)
        tasks.append(assignment.task_id)
        assignments.skip(assignment=assignment, reason="unclear")
    assert len(set(tasks)) == 2
    assert assignments.claim_next(labeler=alice, kind=DEMONSTRATION) is None


def test_higher_priority_comes_first(alice: Labeler) -> None:
    writing_batch(tasks=3, priority=0)
    urgent = writing_batch(tasks=1, priority=5)
    assert claimed(alice, DEMONSTRATION).batch == urgent


def test_screening_labeler_gets_nothing(bob: Labeler) -> None:
    writing_batch()
    with pytest.raises(NotPermitted, match="in screening"):
        assignments.claim_next(labeler=bob, kind=DEMONSTRATION)


def test_unqualified_labeler_gets_nothing(db: None) -> None:
    writing_batch()
    with pytest.raises(NotPermitted, match="qualification for demonstration"):
        assignments.claim_next(labeler=qualified_labeler(COMPARISON), kind=DEMONSTRATION)


def test_held_out_labeler_never_gets_training_work(hana: Labeler, alice: Labeler) -> None:
    writing_batch()
    batch = ranked_batch()
    # Even where somebody wrote the cohort into a training batch by hand.
    batch.cohorts = ["train", "held_out"]
    batch.save()
    assert assignments.claim_next(labeler=hana, kind=COMPARISON) is None
    assert assignments.claim_next(labeler=hana, kind=DEMONSTRATION) is None
    final = ranked_batch(kind=EVALUATION, cohorts=("held_out",))
    assert claimed(hana, EVALUATION).batch == final
    assert assignments.claim_next(labeler=alice, kind=EVALUATION) is None


def test_unknown_kind_is_refused(alice: Labeler) -> None:
    with pytest.raises(InvalidInput, match="is not one of demonstration"):
        assignments.claim_next(labeler=alice, kind="poetry")


def test_expired_lease_returns_task_to_pool_and_keeps_the_draft(alice: Labeler) -> None:
    writing_batch(tasks=1)
    first = claimed(alice, DEMONSTRATION)
    assignments.save_draft(assignment=first, version=0, payload={"text": "half"})
    let_lease_end(first)
    assert assignments.reclaim_leases() == 1
    first.refresh_from_db()
    assert first.state == State.EXPIRED
    assert first.draft.payload == {"text": "half"}
    other = qualified_labeler()
    assert claimed(other, DEMONSTRATION).task_id == first.task_id
    assert assignments.claim_next(labeler=alice, kind=DEMONSTRATION) is None
    assert assignments.reclaim_leases() == 0


def test_claim_reclaims_by_itself_when_nothing_else_is_open(alice: Labeler) -> None:
    writing_batch(tasks=1)
    first = claimed(alice, DEMONSTRATION)
    let_lease_end(first)
    assert claimed(qualified_labeler(), DEMONSTRATION).task_id == first.task_id


def test_own_lease_that_ran_out_unnoticed_is_renewed(alice: Labeler) -> None:
    writing_batch(tasks=1)
    first = claimed(alice, DEMONSTRATION)
    let_lease_end(first)
    again = claimed(alice, DEMONSTRATION)
    assert again.pk == first.pk
    assert again.lease_expires_at is not None
    assert again.lease_expires_at > timezone.now()


def test_draft_versions_count_up_and_a_stale_one_is_refused(alice: Labeler) -> None:
    writing_batch(tasks=1)
    assignment = claimed(alice, DEMONSTRATION)
    assert assignments.save_draft(assignment=assignment, version=0, payload={"text": "a"}).version == 1
    assert assignments.save_draft(assignment=assignment, version=1, payload={"text": "ab"}).version == 2
    with pytest.raises(StaleDraft) as refusal:
        assignments.save_draft(assignment=assignment, version=1, payload={"text": "old tab"})
    assert refusal.value.draft is not None
    assert refusal.value.draft.payload == {"text": "ab"}
    assert Draft.objects.get().payload == {"text": "ab"}


@pytest.mark.parametrize("payload", [{"text": "a\x00b"}, {"note": ["\ud800"]}, {"text": "x" * 400_001}])
def test_draft_that_cannot_be_stored_is_refused(alice: Labeler, payload: dict[str, object]) -> None:
    writing_batch(tasks=1)
    assignment = claimed(alice, DEMONSTRATION)
    with pytest.raises(InvalidInput):
        assignments.save_draft(assignment=assignment, version=0, payload=payload)


def test_skip_adds_a_fresh_slot_for_somebody_else(alice: Labeler) -> None:
    writing_batch(tasks=1)
    assignment = claimed(alice, DEMONSTRATION)
    skipped = assignments.skip(assignment=assignment, reason="expertise", note="Dutch")
    assert (skipped.reason, skipped.note) == ("expertise", "Dutch")
    assert assignments.skip(assignment=assignment, reason="unclear").pk == skipped.pk
    assert Skip.objects.count() == 1
    assert claimed(qualified_labeler(), DEMONSTRATION).task_id == assignment.task_id


def test_skip_needs_a_known_reason(alice: Labeler) -> None:
    writing_batch(tasks=1)
    with pytest.raises(InvalidInput, match="is not one of unclear"):
        assignments.skip(assignment=claimed(alice, DEMONSTRATION), reason="bored")


def test_heartbeat_renews_the_lease_and_adds_time(alice: Labeler) -> None:
    writing_batch(tasks=1)
    assignment = claimed(alice, DEMONSTRATION)
    let_lease_end(assignment)
    after = assignments.heartbeat(assignment=assignment, active_seconds=30)
    assert after.lease_expires_at is not None
    assert after.lease_expires_at > timezone.now()
    claimed_at = timezone.now() - timedelta(minutes=10)
    Assignment.objects.filter(pk=assignment.pk).update(claimed_at=claimed_at)
    assert assignments.heartbeat(assignment=assignment, active_seconds=9999).active_seconds == 150


def test_heartbeats_in_a_row_add_no_more_time_than_has_passed(alice: Labeler) -> None:
    writing_batch(tasks=1)
    assignment = claimed(alice, DEMONSTRATION)
    claimed_at = timezone.now() - timedelta(minutes=5)
    Assignment.objects.filter(pk=assignment.pk).update(claimed_at=claimed_at)
    for _ in range(30):
        counted = assignments.heartbeat(assignment=assignment, active_seconds=120).active_seconds
    assert 300 <= counted <= 300 + work_time.BEAT_SECONDS + 60  # a minute, should this machine be slow


def test_heartbeat_on_a_reclaimed_lease_says_so(alice: Labeler) -> None:
    writing_batch(tasks=1)
    assignment = claimed(alice, DEMONSTRATION)
    let_lease_end(assignment)
    assignments.reclaim_leases()
    with pytest.raises(AssignmentClosed) as refusal:
        assignments.heartbeat(assignment=assignment)
    assert refusal.value.reason_code == "lease_ended"


def test_closed_batch_gives_nothing_and_lets_people_finish(alice: Labeler) -> None:
    batch = writing_batch(tasks=2)
    held = claimed(alice, DEMONSTRATION)
    batches.close_batch(batch=batch)
    assert assignments.claim_next(labeler=qualified_labeler(), kind=DEMONSTRATION) is None
    assert claimed(alice, DEMONSTRATION).pk == held.pk
    let_lease_end(held)
    assert assignments.reclaim_leases() == 1
    assert Assignment.objects.open().count() == 0


def test_retry_after_names_when_the_next_lease_may_end(alice: Labeler) -> None:
    assert assignments.retry_after(labeler=alice, kind=DEMONSTRATION) == 300
    writing_batch(tasks=1, lease_seconds=60)
    claimed(qualified_labeler(), DEMONSTRATION)
    assert 5 <= assignments.retry_after(labeler=alice, kind=DEMONSTRATION) <= 61


def test_paused_labeler_gets_no_new_task(alice: Labeler, mia: User) -> None:
    writing_batch()
    labelers.pause_labeler(labeler=alice, by=mia, reason="holiday")
    with pytest.raises(NotPermitted, match="paused"):
        assignments.claim_next(labeler=alice, kind=DEMONSTRATION)


@pytest.mark.django_db(transaction=True)
def test_two_dozen_claims_at_once_never_share_a_slot() -> None:
    writing_batch(tasks=6, overlap=2)
    people = [qualified_labeler() for _ in range(12)]
    got: list[Assignment | None] = []
    barrier = threading.Barrier(24, timeout=30)

    def work(labeler: Labeler) -> None:
        try:
            barrier.wait()
            got.append(assignments.claim_next(labeler=labeler, kind=DEMONSTRATION))
        finally:
            connections.close_all()

    # Every labeler asks twice at the same moment, as a double click does.
    threads = [threading.Thread(target=work, args=(person,)) for person in people * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    connection.close()
    claims = {row.pk: row for row in got if row is not None}
    assert len(got) == 24
    assert max(Counter(row.labeler_id for row in claims.values()).values()) == 1
    assert max(Counter(row.task_id for row in claims.values()).values()) <= 2
    assert Assignment.objects.leased().count() == len(claims)
    # A slot passed over while another held its lock is still open for the next question.
    left = [person for person in people if person.pk not in {row.labeler_id for row in claims.values()}]
    for person in left:
        assert assignments.claim_next(labeler=person, kind=DEMONSTRATION) is not None
    assert Assignment.objects.open().count() == 0
