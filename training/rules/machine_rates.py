"""What an hour of a machine costs: rates from a day on, for a queue's workers or all."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from labeling.errors import InvalidInput
from labeling.models import User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.costs import HOUR, Cost
from labeling.rules.pay_rates import MAX_PER_HOUR, rate_book
from training.models import MachineRate
from training.rules.workers import known_queues


@dataclass(frozen=True)
class MachineBook:
    """Every rate of machines, asked what a run has cost."""

    rates: tuple[MachineRate, ...]

    def price(self, *, queue: str, day: date) -> Decimal | None:
        """Return the price of an hour, None where no rate holds; the queue's own goes before that of all."""
        fitting = [rate for rate in self.rates if rate.valid_from <= day and rate.queue in ("", queue)]
        best = max(fitting, key=lambda rate: (bool(rate.queue), rate.valid_from, rate.pk), default=None)
        return best.per_hour if best else None

    def cost(self, *, queue: str, started_at: datetime | None, finished_at: datetime | None) -> Cost:
        """Return the time between start and end of a run and its price on the day it ended."""
        if started_at is None or finished_at is None:
            return Cost()
        seconds = max(0, round((finished_at - started_at).total_seconds()))
        price = self.price(queue=queue, day=timezone.localdate(finished_at))
        if price is None:
            return Cost(seconds, unpriced=seconds)
        return Cost(seconds, price * seconds / HOUR)


def machine_book() -> MachineBook:
    """Return every rate there is, in one statement."""
    return MachineBook(tuple(MachineRate.objects.all()))


@transaction.atomic
def add_machine_rate(*, per_hour: Decimal, valid_from: date, by: User, queue: str = "") -> MachineRate:
    """Set what an hour of a run costs from a day on, in the currency of the rates for labeling.

    Raises InvalidInput for a price that makes no sense, a queue nobody knows, or before a currency is set.
    """
    ensure(by, Action.SET_PAY_RATES)
    wrong: dict[str, str] = {}
    if not 0 <= per_hour <= MAX_PER_HOUR:
        wrong["per_hour"] = f"An hour costs {per_hour}; allowed is 0 to {MAX_PER_HOUR}."
    if queue and queue not in known_queues():
        wrong["queue"] = f'"{queue}" is no queue of runs; known are {", ".join(known_queues())}.'
    currency = rate_book().currency
    if not currency:
        wrong["per_hour"] = "There is no currency yet: say first what an hour of labeling costs."
    if wrong:
        raise InvalidInput(" ".join(wrong.values()), fields=wrong)
    rate = MachineRate.objects.create(queue=queue, per_hour=per_hour, valid_from=valid_from, created_by=by)
    audit.record(
        actor=by, action="set_machine_rate", obj=rate, queue=queue or "all", per_hour=str(per_hour),
        currency=currency, valid_from=str(valid_from),
    )  # fmt: skip
    return rate
