"""Hours at work for those who pay them: by labeler, vendor and week."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import Coalesce, TruncWeek

from labeling.errors import InvalidInput
from labeling.models import Assignment, ScreeningAttempt

State = Assignment.State
MAX_WEEKS = 106
HEADER = (
    "week", "week_starts", "time_zone", "labeler", "name", "vendor", "cohort", "hours", "seconds",
    "submitted", "skipped", "unfinished", "screening_seconds",
)  # fmt: skip
LABELER_FIELDS = ("labeler__pseudonym", "labeler__user__name", "labeler__vendor", "labeler__cohort")


@dataclass(frozen=True)
class WeekOfWork:
    """What one labeler did in one week, Monday to Sunday in `time_zone`.

    seconds            time at work, idle left out; skipped tasks, drafts, surplus and the screening count
    unfinished         tasks that were worked on and neither submitted nor skipped
    screening_seconds  how much of it went into the screening
    """

    week_starts: date
    time_zone: str
    labeler: str
    name: str
    vendor: str
    cohort: str
    seconds: int
    submitted: int
    skipped: int
    unfinished: int
    screening_seconds: int = 0

    @property
    def week(self) -> str:
        """The ISO week, such as 2026-W47."""
        year, number, _ = self.week_starts.isocalendar()
        return f"{year}-W{number:02d}"

    @property
    def hours(self) -> float:
        """Hours with two digits, as invoices have them."""
        return round(self.seconds / 3600, 2)

    def as_row(self) -> Sequence[object]:
        """Return the cells in the order of HEADER."""
        return [str(value) if isinstance(value := getattr(self, name), date) else value for name in HEADER]


def hours_by_week(
    *, first: date, last: date, zone: ZoneInfo, vendor: str | None = None, simulated: bool = False
) -> list[WeekOfWork]:
    """Return the weeks from the one of `first` to the one of `last`, newest first, by vendor and labeler.

    A task counts in the week in which it was finished, an unfinished one and a screening in the week it was
    last seen. Weeks are those of `zone`. Simulated labelers are left out unless asked for, imported ones
    always. Raises InvalidInput for a period that ends before it begins or is longer than two years.
    """
    start, end = first - timedelta(days=first.weekday()), last - timedelta(days=last.weekday())
    if not timedelta(0) <= end - start < timedelta(weeks=MAX_WEEKS):
        raise InvalidInput(
            f"The period is {first} to {last}; it must begin before it ends, and last two years at most.",
            fields={"last": "before first, or too late"},
        )
    starts = datetime.combine(start, time.min, zone)
    ends = datetime.combine(end + timedelta(days=7), time.min, zone)
    whose = Q(labeler__is_external=False)
    if not simulated:
        whose &= Q(labeler__is_simulated=False)
    if vendor is not None:
        whose &= Q(labeler__vendor=vendor)
    tasks = Assignment.objects.annotate(at=Coalesce("finished_at", "last_seen_at", "claimed_at"))
    screenings = ScreeningAttempt.objects.filter(active_seconds__gt=0).annotate(at=F("last_seen_at"))
    within = Q(at__gte=starts, at__lt=ends)
    return _together(
        [
            *_weeks_of_tasks(tasks.filter(whose, within), zone),
            *_weeks_of_screening(screenings.filter(whose, within), zone),
        ]
    )


def _weeks_of_tasks(rows: QuerySet[Assignment], zone: ZoneInfo) -> Iterable[WeekOfWork]:
    done, skipped = Q(state=State.SUBMITTED), Q(state=State.SKIPPED)
    weeks = (
        rows.annotate(week=TruncWeek("at", tzinfo=zone))
        .order_by()
        .values_list("week", *LABELER_FIELDS)
        .annotate(
            seconds=Sum("active_seconds"),
            submitted=Count("pk", filter=done),
            skipped=Count("pk", filter=skipped),
            unfinished=Count("pk", filter=~done & ~skipped),
        )
    )
    for week, pseudonym, name, vendor, cohort, seconds, *counts in weeks:
        yield WeekOfWork(week.date(), zone.key, pseudonym, name, vendor, cohort, seconds or 0, *counts)


def _weeks_of_screening(rows: QuerySet[ScreeningAttempt], zone: ZoneInfo) -> Iterable[WeekOfWork]:
    weeks = rows.annotate(week=TruncWeek("at", tzinfo=zone)).order_by().values_list("week", *LABELER_FIELDS)
    for week, pseudonym, name, vendor, cohort, seconds in weeks.annotate(seconds=Sum("active_seconds")):
        counts = (seconds, 0, 0, 0, seconds)
        yield WeekOfWork(week.date(), zone.key, pseudonym, name, vendor, cohort, *counts)


def _together(weeks: Iterable[WeekOfWork]) -> list[WeekOfWork]:
    """Return one row for each labeler and week, newest first, by vendor and labeler."""
    found: dict[tuple[date, str], WeekOfWork] = {}
    for each in weeks:
        key = (each.week_starts, each.labeler)
        known = found.get(key)
        found[key] = each if known is None else _sum_of(known, each)
    rows = sorted(found.values(), key=lambda week: (week.vendor, week.labeler))
    return sorted(rows, key=lambda week: week.week_starts, reverse=True)


def _sum_of(one: WeekOfWork, other: WeekOfWork) -> WeekOfWork:
    summed = ("seconds", "submitted", "skipped", "unfinished", "screening_seconds")
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in summed})
