"""The counts of staff lists."""

import pytest

from labeling.models import Assignment, Labeler, TaskKind
from labeling.rules import assignments, batches, demonstrations, listings
from labeling.rules.ranking_imports import import_rankings
from tests.factories import at_work, claimed, writing_batch


def write(labeler: Labeler) -> Assignment:
    mine = claimed(labeler, TaskKind.DEMONSTRATION)
    at_work(mine, 90)
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


@pytest.mark.django_db
def test_labels_that_came_with_an_import_are_counted() -> None:
    row = {"prompt": "Q", "responses": ["yes", "no"], "ranks": [1, 2]}
    import_rankings(rows=[row | {"labeler": "L1"}, row | {"labeler": "L2"}, row | {"prompt": "R"}])
    answers = [{"prompt": text, "response": "yes", "labeler": "L1"} for text in ("Q", "S")]
    demonstrations.import_demonstrations(rows=answers)
    counted = {batch.kind: batch for batch in listings.batches_with_progress()}
    ranked, written = counted["comparison"], counted["demonstration"]
    assert (vars(ranked)["submitted"], vars(written)["submitted"]) == (3, 2)
    progress = batches.progress_of_batches([ranked, written])
    assert (progress[ranked.pk].submitted, progress[written.pk].submitted) == (3, 2)
    by_labeler = {row["labeler__pseudonym"]: row["submitted"] for row in listings.labels_by_labeler(ranked)}
    assert by_labeler == {"L1": 1, "L2": 1, "unknown": 1}
    (only,) = listings.labels_by_labeler(written)
    assert only["submitted"] == 2
