"""How a batch goes: who is at work, how fast labels come, when it will be done, why tasks are skipped."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count
from django.utils import timezone

from labeling.models import Assignment, Batch, Skip

WINDOWS = (timedelta(hours=1), timedelta(hours=8), timedelta(days=1), timedelta(days=7))
ENOUGH = 3
"""Labels that a window must hold before it says anything."""
AT_WORK_SHOWN = 50


@dataclass(frozen=True)
class Pace:
    """Labels an hour over the last `hours`, and when the rest would be in at that pace; None if unknown."""

    per_hour: float
    hours: int
    left: int
    done_at: datetime | None


def pace_of(batch: Batch, *, wanted: int, submitted: int) -> Pace | None:
    """Return the pace over the shortest recent window that says something; None where nothing came in."""
    left = max(0, wanted - submitted)
    now = timezone.now()
    came = Assignment.objects.submitted().filter(batch=batch)
    for window in WINDOWS:
        labels = came.filter(finished_at__gte=now - window).count()
        if labels < ENOUGH:
            continue
        since = max(now - window, batch.opened_at) if batch.opened_at else now - window
        hours = max((now - since).total_seconds() / 3600, 1 / 60)
        per_hour = labels / hours
        done_at = now + timedelta(hours=left / per_hour) if left else None
        return Pace(per_hour, max(1, round(window.total_seconds() / 3600)), left, done_at)
    return None


def at_work(batch: Batch) -> list[Assignment]:
    """Return the slots people hold right now, the longest held first, with their labelers."""
    held = Assignment.objects.live().filter(batch=batch).select_related("labeler")
    return list(held.order_by("claimed_at")[:AT_WORK_SHOWN])


def skip_reasons(batch: Batch) -> list[tuple[str, int]]:
    """Return how often each reason was given for skipping, most frequent first."""
    rows = (
        Skip.objects.filter(assignment__batch=batch)
        .order_by()
        .values_list("reason")
        .annotate(n=Count("pk"))
        .order_by("-n")
    )
    labels = dict(Skip.Reason.choices)
    return [(labels.get(reason, reason), n) for reason, n in rows]
