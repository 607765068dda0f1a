"""Hours and money by batch and kind of task: time at work, idle left out, at the rate of its day."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import ROUND_HALF_UP, Decimal

from django.db.models import Case, IntegerField, Sum, Value, When
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.models import Assignment
from labeling.rules.pay_rates import RateBook

CENT = Decimal("0.01")
HOUR = 3600


@dataclass(frozen=True)
class Cost:
    """Time at work and what it cost; `unpriced` seconds of it have no rate and are in no sum of money."""

    seconds: int = 0
    money: Decimal = Decimal(0)
    unpriced: int = 0

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.seconds + other.seconds, self.money + other.money, self.unpriced + other.unpriced)

    @property
    def hours(self) -> float:
        return self.seconds / HOUR

    @property
    def amount(self) -> Decimal | None:
        """The money in whole cents; None where no second has a rate."""
        if self.seconds and self.unpriced == self.seconds:
            return None
        return self.money.quantize(CENT, ROUND_HALF_UP)


def costs_by_batch(*, book: RateBook, simulated: bool = False) -> dict[tuple[int, str], Cost]:
    """Return what every batch has cost so far, by its key and the kind of task, in one statement.

    Skipped tasks, drafts and surplus count as well, as hours at work do; imported labels cost nothing here.
    Simulated labelers are left out unless asked for.
    """
    days = book.days()
    rows = Assignment.objects.filter(labeler__is_external=False, active_seconds__gt=0)
    if not simulated:
        rows = rows.filter(labeler__is_simulated=False)
    at = Coalesce("finished_at", "last_seen_at", "claimed_at")
    periods = [When(at__gte=_midnight(day), then=Value(place)) for place, day in enumerate(days)]
    which = Case(*reversed(periods), default=Value(-1), output_field=IntegerField())
    sums = (
        rows.annotate(at=at, period=which)
        .order_by()
        .values_list("batch", "kind", "labeler", "labeler__vendor", "period")
        .annotate(seconds=Sum("active_seconds"))
    )
    found: dict[tuple[int, str], Cost] = defaultdict(Cost)
    for batch, kind, labeler, vendor, period, seconds in sums:
        found[batch, kind] += _priced(book, days, period, seconds, labeler=labeler, vendor=vendor, kind=kind)
    return dict(found)


def by_kind(costs: Mapping[tuple[int, str], Cost]) -> dict[str, Cost]:
    """Add up what every kind of task has cost."""
    found: dict[str, Cost] = defaultdict(Cost)
    for (_, kind), cost in costs.items():
        found[kind] += cost
    return dict(found)


def total_of(costs: Iterable[Cost]) -> Cost:
    """Add up costs."""
    return sum(costs, Cost())


def _priced(
    book: RateBook, days: list[date], period: int, seconds: int, *, labeler: int, vendor: str, kind: str
) -> Cost:
    price = None
    if period >= 0:
        price = book.price(labeler=labeler, vendor=vendor, kind=kind, day=days[period])
    if price is None:
        return Cost(seconds, Decimal(0), seconds)
    return Cost(seconds, price * seconds / HOUR, 0)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
