"""A labeler's own time at work, by day and kind: idle time left out, skips and drafts counted."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.db.models import Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.models import Assignment, Labeler, TaskKind

State = Assignment.State
MAX_HEARTBEAT_SECONDS = 120
BEAT_SECONDS = 30
"""How often a page tells of time at work, and how far its clock may be ahead of ours."""


@dataclass
class KindOfDay:
    """Work of one kind on one day."""

    kind: TaskKind
    seconds: int = 0
    submitted: int = 0
    skipped: int = 0
    unfinished: int = 0


@dataclass
class Day:
    """One day of a labeler's, in the time zone in force."""

    day: date | None
    kinds: list[KindOfDay] = field(default_factory=list)

    @property
    def seconds(self) -> int:
        return sum(kind.seconds for kind in self.kinds)

    @property
    def submitted(self) -> int:
        return sum(kind.submitted for kind in self.kinds)

    @property
    def skipped(self) -> int:
        return sum(kind.skipped for kind in self.kinds)

    @property
    def unfinished(self) -> int:
        return sum(kind.unfinished for kind in self.kinds)


def countable(*, sent: int, counted: int, since: datetime | None) -> int:
    """Return how many of the seconds at work that a page sends count, where `counted` were sent before.

    At most two minutes a call, so that a call that went wrong does little; and no more in all than has passed
    `since` the work began, but for a beat, however often and fast a program calls.
    """
    most = MAX_HEARTBEAT_SECONDS
    if since is not None:
        passed = int((timezone.now() - since).total_seconds())
        most = min(most, passed + BEAT_SECONDS - counted)
    return max(0, min(most, sent))


def days_of(labeler: Labeler, *, days: int) -> list[Day]:
    """Return the last days on which a labeler worked, newest first, in the current time zone.

    A task counts for the day on which it was finished, an unfinished one for the day it was last seen.
    """
    today = timezone.localdate()
    since = timezone.make_aware(datetime.combine(today - timedelta(days=days - 1), time.min))
    rows = (
        labeler.assignments.annotate(at=Coalesce("finished_at", "last_seen_at", "claimed_at"))
        .filter(at__gte=since)
        .values_list("at", "kind", "state", "active_seconds")
    )
    found: dict[date, dict[str, KindOfDay]] = {}
    for at, kind, state, seconds in rows:
        entry = found.setdefault(timezone.localtime(at).date(), {}).setdefault(
            kind, KindOfDay(TaskKind(kind))
        )
        _add(entry, state, seconds)
    return [
        Day(day, [kinds[name] for name in TaskKind.values if name in kinds])
        for day, kinds in sorted(found.items(), reverse=True)
    ]


def total_of(days: Iterable[Day]) -> Day:
    """Return the sum of days, by kind."""
    kinds: dict[TaskKind, KindOfDay] = {}
    for each in (kind for day in days for kind in day.kinds):
        total = kinds.setdefault(each.kind, KindOfDay(each.kind))
        total.seconds += each.seconds
        total.submitted += each.submitted
        total.skipped += each.skipped
        total.unfinished += each.unfinished
    return Day(None, [kinds[kind] for kind in TaskKind if kind in kinds])


def screening_seconds(labeler: Labeler) -> int:
    """Return the time that went into the screening, whenever it was."""
    return labeler.screenings.aggregate(seconds=Sum("active_seconds"))["seconds"] or 0


def _add(entry: KindOfDay, state: str, seconds: int) -> None:
    entry.seconds += seconds
    if state == State.SUBMITTED:
        entry.submitted += 1
    elif state == State.SKIPPED:
        entry.skipped += 1
    else:
        entry.unfinished += 1
