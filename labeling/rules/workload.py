"""What waits for a labeler, and what they have done: the figures of their start page."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, QuerySet, Sum

from labeling.models import Assignment, Labeler, TaskKind
from labeling.rules.assignments import seconds_until_free
from labeling.rules.eligibility import eligible_batches, limits_of, open_slots, tasks_left
from labeling.rules.listings import standing_submissions

MOST_COUNTED = 1000


@dataclass(frozen=True)
class Waiting:
    """Work of one kind for one labeler: the slot they hold, how many more are open (`MOST_COUNTED` at most).

    With nothing of either, `elsewhere` is how many tasks others hold, and `free_in_seconds` when one of them
    may come free; None if that is not to be hoped for.
    """

    kind: TaskKind
    held: Assignment | None
    open: int
    free_in_seconds: int | None
    elsewhere: int = 0

    @property
    def is_empty(self) -> bool:
        return self.held is None and self.open == 0


@dataclass(frozen=True)
class Progress:
    """What one labeler did: ever, and since a moment."""

    submitted: int
    submitted_since: int
    skipped_since: int
    active_seconds_since: int


def waiting_work(labeler: Labeler) -> list[Waiting]:
    """Return what waits for a labeler, one entry for each kind they are qualified for."""
    kinds = labeler.qualifications.current().values_list("kind", flat=True)
    found = []
    for kind in (TaskKind(name) for name in TaskKind.values if name in set(kinds)):
        leased = labeler.assignments.leased().filter(kind=kind)
        held = leased.select_related("batch").order_by("claimed_at").first()
        open_slots = count_open(labeler, kind)
        is_idle = held is None and open_slots == 0
        free_in = seconds_until_free(labeler=labeler, kind=kind) if is_idle else None
        elsewhere = held_by_others(labeler, kind) if is_idle else 0
        found.append(Waiting(kind, held, open_slots, free_in, elsewhere))
    return found


def count_open(labeler: Labeler, kind: str) -> int:
    """Count the tasks of a kind that this labeler could have now, of each batch no more than they get.

    No further than `MOST_COUNTED`: whoever has as many before them asks no more than that, and each of their
    pages would look at every slot of the queue.
    """
    batches = eligible_batches(labeler, kind)
    if not batches:
        return 0
    slots = open_slots(labeler, kind, batches, limits=limits_of(labeler))
    left = {batch.pk: most for batch in batches if (most := tasks_left(labeler, batch)) is not None}
    overlap = max(batch.overlap for batch in batches)
    found = _tasks_of(slots.exclude(batch__in=left), MOST_COUNTED, overlap)
    for batch, most in left.items():
        if found >= MOST_COUNTED:
            break
        found += min(most, _tasks_of(slots.filter(batch=batch), MOST_COUNTED, overlap))
    return min(found, MOST_COUNTED)


def _tasks_of(slots: QuerySet[Assignment], most: int, overlap: int) -> int:
    """Count the tasks of slots, looking at no more of them than as many tasks may have."""
    looked_at = slots.order_by()[: most * overlap]
    seen = looked_at.aggregate(slots=Count("pk"), tasks=Count("task", distinct=True))
    return most if seen["slots"] == most * overlap else int(seen["tasks"])


def held_by_others(labeler: Labeler, kind: str) -> int:
    """Count the tasks of a kind for this labeler's cohort that other people have in hand."""
    batches = [batch.pk for batch in eligible_batches(labeler, kind)]
    held = Assignment.objects.leased().filter(batch__in=batches).exclude(labeler=labeler)
    return held.values("task").distinct().count()


def progress_since(labeler: Labeler, since: datetime) -> Progress:
    """Return how much a labeler submitted that stands; and that, skips and time at work since a moment."""
    receipts = (
        standing_submissions()
        .filter(labeler=labeler)
        .aggregate(ever=Count("pk"), since=Count("pk", filter=Q(created_at__gte=since)))
    )
    touched = labeler.assignments.filter(last_seen_at__gte=since).aggregate(
        seconds=Sum("active_seconds"),
        skipped=Count("pk", filter=Q(state=Assignment.State.SKIPPED, finished_at__gte=since)),
    )
    return Progress(
        submitted=receipts["ever"],
        submitted_since=receipts["since"],
        skipped_since=touched["skipped"],
        active_seconds_since=touched["seconds"] or 0,
    )
