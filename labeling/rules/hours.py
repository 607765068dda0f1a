"""Hours at work for those who pay them: by labeler, vendor and week."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.db.models import Count, Q, Sum
from django.db.models.functions import Coalesce, TruncWeek

from labeling.errors import InvalidInput
from labeling.models import Assignment

State = Assignment.State
MAX_WEEKS = 106
HEADER = (
    "week", "week_starts", "time_zone", "labeler", "name", "vendor", "cohort", "hours", "seconds",
    "submitted", "skipped", "unfinished",
)  # fmt: skip
LABELER_FIELDS = ("labeler__pseudonym", "labeler__user__name", "labeler__vendor", "labeler__cohort")


@dataclass(frozen=True)
class WeekOfWork:
    """What one labeler did in one week, Monday to Sunday in `time_zone`.

    seconds     time at work, idle left out; skipped tasks, drafts and surplus count as well
    unfinished  tasks that were worked on and neither submitted nor skipped
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

    A task counts in the week in which it was finished, an unfinished one in the week it was last seen. Weeks
    are those of `zone`. Simulated labelers are left out unless asked for, imported ones always. Raises
    InvalidInput for a period that ends before it begins or is longer than two years.
    """
    start, end = first - timedelta(days=first.weekday()), last - timedelta(days=last.weekday())
    if not timedelta(0) <= end - start < timedelta(weeks=MAX_WEEKS):
        raise InvalidInput(
            f"The period is {first} to {last}; it must begin before it ends, and last two years at most.",
            fields={"last": "before first, or too late"},
        )
    rows = Assignment.objects.filter(labeler__is_external=False).annotate(
        at=Coalesce("finished_at", "last_seen_at", "claimed_at")
    )
    rows = rows.filter(
        at__gte=datetime.combine(start, time.min, zone),
        at__lt=datetime.combine(end + timedelta(days=7), time.min, zone),
    )
    if not simulated:
        rows = rows.filter(labeler__is_simulated=False)
    if vendor is not None:
        rows = rows.filter(labeler__vendor=vendor)
    done = Q(state=State.SUBMITTED)
    skipped = Q(state=State.SKIPPED)
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
        .order_by("-week", "labeler__vendor", "labeler__pseudonym")
    )
    return [
        WeekOfWork(week.date(), zone.key, pseudonym, name, of, cohort, seconds or 0, *counts)
        for week, pseudonym, name, of, cohort, seconds, *counts in weeks
    ]
