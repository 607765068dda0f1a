"""The counts of staff lists."""

from labeling.models import Assignment, Labeler, TaskKind
from labeling.rules import assignments, demonstrations, listings
from tests.factories import claimed, writing_batch


def write(labeler: Labeler) -> Assignment:
    mine = claimed(labeler, TaskKind.DEMONSTRATION)
    assignments.heartbeat(assignment=mine, active_seconds=90)
    demonstrations.submit_demonstration(assignment=mine, text="Done.", idempotency_key=str(mine.code))
    return mine


def test_batch_list_counts_wanted_submitted_and_leased_labels(alice: Labeler) -> None:
    writing_batch(tasks=3, overlap=2)
    write(alice)
    claimed(alice, TaskKind.DEMONSTRATION)
    batch = listings.batches_with_progress().get()
    counts = vars(batch)
    assert (counts["wanted"], counts["submitted"], counts["leased"]) == (6, 1, 1)


def test_labeler_list_counts_are_not_multiplied_by_each_other(alice: Labeler) -> None:
    batch = writing_batch(tasks=4)
    for _ in range(2):
        write(alice)
    assignments.skip(assignment=claimed(alice, TaskKind.DEMONSTRATION), reason="broken", note="cut off")
    counts = vars(listings.labelers_with_counts().get(pk=alice.pk))
    assert (counts["submitted"], counts["skipped"], counts["active_seconds"]) == (2, 1, 180)
    (row,) = listings.labels_by_labeler(batch)
    assert (row["submitted"], row["skipped"], row["seconds"]) == (2, 1, 180)
    assert listings.skips_of(batch).get().note == "cut off"
