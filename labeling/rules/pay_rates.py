"""What an hour of labeling costs: rates from a day on, for a labeler, a vendor's labelers, or all."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import Labeler, PayRate, TaskKind, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure

MAX_PER_HOUR = Decimal("100000")
CURRENCY_LETTERS = 3


@dataclass(frozen=True)
class RateBook:
    """Every rate, asked for the price of an hour of somebody's work of a kind on a day."""

    rates: tuple[PayRate, ...]

    @property
    def currency(self) -> str:
        """The one currency of all rates; empty where there is none."""
        return self.rates[0].currency if self.rates else ""

    def days(self) -> list[date]:
        """Return the days on which a price may change, oldest first."""
        return sorted({rate.valid_from for rate in self.rates})

    def price(self, *, labeler: int, vendor: str, kind: str, day: date) -> Decimal | None:
        """Return the price of an hour, None where no rate holds.

        The most particular rate counts: of the labeler before of their vendor before of all, and with the
        kind before without; among those the newest that holds on the day.
        """
        fitting = [
            rate
            for rate in self.rates
            if rate.valid_from <= day
            and rate.labeler_id in (None, labeler)
            and rate.vendor in ("", vendor)
            and rate.kind in ("", kind)
        ]
        best = max(fitting, key=_rank, default=None)
        return best.per_hour if best else None


def rate_book() -> RateBook:
    """Return every rate there is, in one statement."""
    return RateBook(tuple(PayRate.objects.all()))


@transaction.atomic
def add_rate(
    *,
    per_hour: Decimal,
    currency: str,
    valid_from: date,
    by: User,
    labeler: Labeler | None = None,
    vendor: str = "",
    kind: str = "",
) -> PayRate:
    """Set the price of an hour from a day on; what was before that day keeps its price.

    Raises InvalidInput for a price or currency that makes no sense, a second currency, or a rate that names
    both a labeler and a vendor.
    """
    ensure(by, Action.SET_PAY_RATES)
    wrong: dict[str, str] = {}
    if not 0 <= per_hour <= MAX_PER_HOUR:
        wrong["per_hour"] = f"An hour costs {per_hour}; allowed is 0 to {MAX_PER_HOUR}."
    currency = currency.strip().upper()
    if len(currency) != CURRENCY_LETTERS or not (currency.isascii() and currency.isalpha()):
        wrong["currency"] = f'"{currency}" is no currency; name it by three letters, such as EUR.'
    elif (known := rate_book().currency) and known != currency:
        wrong["currency"] = f"Rates are in {known}; sums of two currencies would mean nothing."
    if labeler is not None and vendor:
        wrong["vendor"] = "Name a labeler or a vendor, not both."
    if kind and kind not in TaskKind.values:
        wrong["kind"] = f'"{kind}" is no kind of task; known are {", ".join(TaskKind.values)}.'
    if wrong:
        raise InvalidInput(" ".join(wrong.values()), fields=wrong)
    rate = PayRate.objects.create(
        labeler=labeler,
        vendor=vendor,
        kind=kind,
        per_hour=per_hour,
        currency=currency,
        valid_from=valid_from,
        created_by=by,
    )
    who = labeler.pseudonym if labeler else vendor or "all"
    audit.record(
        actor=by, action="set_pay_rate", obj=rate, who=who, kind=kind, per_hour=str(per_hour),
        currency=currency, valid_from=str(valid_from),
    )  # fmt: skip
    return rate


def vendors() -> Iterable[str]:
    """Return the vendors that labelers have."""
    rows = Labeler.objects.exclude(vendor="").order_by("vendor")
    return rows.values_list("vendor", flat=True).distinct()


def _rank(rate: PayRate) -> tuple[int, bool, date, int]:
    whose = 2 if rate.labeler_id else 1 if rate.vendor else 0
    return whose, bool(rate.kind), rate.valid_from, rate.pk
