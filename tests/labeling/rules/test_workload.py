"""What waits for a labeler, and what they did."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.models import Assignment, Labeler, TaskKind
from labeling.rules import assignments, demonstrations, listings, revisions, workload
from labeling.templatetags.labels import open_words
from tests.factories import at_work, claimed, qualified_labeler, ranked_batch, writing_batch

START = timezone.now() - timedelta(hours=1)


def write(labeler: Labeler) -> Assignment:
    mine = claimed(labeler, TaskKind.DEMONSTRATION)
    at_work(mine, 90)
    demonstrations.submit_demonstration(assignment=mine, text="Done.", idempotency_key=str(mine.code))
    return mine


def test_waiting_counts_tasks_not_slots_and_leaves_out_ones_own(alice: Labeler) -> None:
    writing_batch(tasks=3, overlap=2)
    write(alice)
    assert workload.count_open(alice, TaskKind.DEMONSTRATION) == 2
    held = claimed(alice, TaskKind.DEMONSTRATION)
    entries = {entry.kind: entry for entry in workload.waiting_work(alice)}
    assert entries[TaskKind.DEMONSTRATION].held == held
    assert entries[TaskKind.DEMONSTRATION].open == 1
    assert entries[TaskKind.COMPARISON].is_empty
    assert entries[TaskKind.COMPARISON].free_in_seconds is None


def test_waiting_counts_of_a_batch_no_more_than_one_labeler_gets(alice: Labeler) -> None:
    writing_batch(tasks=5, labeler_cap=2)
    writing_batch(tasks=3)
    assert workload.count_open(alice, TaskKind.DEMONSTRATION) == 2 + 3
    write(alice)
    assert workload.count_open(alice, TaskKind.DEMONSTRATION) == 1 + 3
    write(alice)
    assert workload.count_open(alice, TaskKind.DEMONSTRATION) == 3


def test_waiting_is_counted_up_to_a_number(alice: Labeler, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workload, "MOST_COUNTED", 3)
    writing_batch(tasks=2, overlap=2)
    assert workload.count_open(alice, TaskKind.DEMONSTRATION) == 2
    writing_batch(tasks=4, overlap=2)
    assert workload.count_open(alice, TaskKind.DEMONSTRATION) == 3
    writing_batch(tasks=9, labeler_cap=8)
    assert workload.count_open(alice, TaskKind.DEMONSTRATION) == 3
    (entry,) = [row for row in workload.waiting_work(alice) if row.kind == TaskKind.DEMONSTRATION]
    assert entry.open == 3
    assert (open_words(999), open_words(1000)) == ("999", "1,000 or more")


def test_waiting_names_when_a_task_of_others_may_come_free(alice: Labeler) -> None:
    writing_batch(tasks=1, lease_seconds=1800)
    claimed(qualified_labeler(), TaskKind.DEMONSTRATION)
    entries = {entry.kind: entry for entry in workload.waiting_work(alice)}
    free_in = entries[TaskKind.DEMONSTRATION].free_in_seconds
    assert free_in is not None
    assert 1700 < free_in <= 1801


def test_waiting_lists_only_what_the_labeler_is_qualified_for(db: None) -> None:
    ranked_batch(tasks=1)
    labeler = qualified_labeler(TaskKind.COMPARISON)
    assert [entry.kind for entry in workload.waiting_work(labeler)] == [TaskKind.COMPARISON]


def test_training_work_does_not_wait_for_held_out_labelers(hana: Labeler) -> None:
    writing_batch(tasks=2)
    assert workload.count_open(hana, TaskKind.DEMONSTRATION) == 0


def test_progress_counts_receipts_skips_and_time_at_work_since_a_moment(alice: Labeler) -> None:
    writing_batch(tasks=3)
    write(alice)
    assignments.skip(assignment=claimed(alice, TaskKind.DEMONSTRATION), reason="unclear")
    today = workload.progress_since(alice, START)
    assert (today.submitted, today.submitted_since, today.skipped_since) == (1, 1, 1)
    assert today.active_seconds_since == 90
    later = workload.progress_since(alice, timezone.now() + timedelta(hours=1))
    assert (later.submitted, later.submitted_since, later.active_seconds_since) == (1, 0, 0)


def test_what_was_taken_back_was_not_submitted_and_counts_once_when_it_is_again(alice: Labeler) -> None:
    writing_batch(tasks=1)
    slot = write(alice)

    def counted() -> tuple[int, int, int]:
        progress = workload.progress_since(alice, START)
        row = vars(listings.labelers_with_counts().get(pk=alice.pk))
        return progress.submitted, progress.submitted_since, row["submitted"]

    revisions.undo_submission(receipt=slot.receipts.get())
    assert counted() == (0, 0, 0)
    again = demonstrations.submit_demonstration(assignment=slot, text="Better.", idempotency_key="again")
    assert counted() == (1, 1, 1)
    revisions.reopen_submission(receipt=again)
    demonstrations.submit_demonstration(assignment=slot, text="Best.", idempotency_key="once more")
    assert counted() == (1, 1, 1)
    slot.receipts.filter(revision=2).update(created_at=START - timedelta(days=1))
    assert counted() == (1, 0, 1)  # it was submitted yesterday, and revised today
