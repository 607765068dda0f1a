"""Hours and money: which rate holds, what has none, and that past hours keep their price."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from labeling.errors import InvalidInput, NotPermitted
from labeling.models import Assignment, AuditEvent, Labeler, TaskKind, User
from labeling.rules.costs import Cost, by_kind, costs_by_batch, total_of
from labeling.rules.pay_rates import add_rate, rate_book
from tests.factories import LabelerFactory, writing_batch

pytestmark = pytest.mark.django_db

DAY = date(2026, 11, 2)


def rate(by: User, per_hour: str, since: date = DAY, **whose: Any) -> None:
    add_rate(per_hour=Decimal(per_hour), currency="EUR", valid_from=since, by=by, **whose)


def worked(labeler: Labeler, seconds: int, day: date = DAY, kind: str = TaskKind.DEMONSTRATION) -> None:
    """Let somebody have worked on a task that day."""
    batch = writing_batch(tasks=1)
    at = timezone.make_aware(datetime(day.year, day.month, day.day, 12))
    rows = Assignment.objects.filter(batch=batch)
    rows.update(
        labeler=labeler, state=Assignment.State.SUBMITTED, claimed_at=at, finished_at=at,
        active_seconds=seconds, kind=kind,
    )  # fmt: skip


def money() -> Decimal | None:
    return total_of(costs_by_batch(book=rate_book()).values()).amount


def test_the_most_particular_rate_holds(mia: User) -> None:
    ana = LabelerFactory.create(vendor="Blue")

    def book_of() -> Decimal | None:
        return rate_book().price(labeler=ana.pk, vendor="Blue", kind="comparison", day=DAY)

    assert book_of() is None
    for price, whose in (
        ("10", {}),
        ("11", {"kind": "comparison"}),
        ("12", {"vendor": "Blue"}),
        ("13", {"vendor": "Blue", "kind": "comparison"}),
        ("14", {"labeler": ana}),
        ("15", {"labeler": ana, "kind": "comparison"}),
    ):
        rate(mia, price, **whose)
        assert book_of() == Decimal(price)
    rate(mia, "99", vendor="Red")
    rate(mia, "98", kind="demonstration")
    assert book_of() == Decimal("15")


def test_past_hours_keep_the_price_of_their_day(mia: User) -> None:
    ana = LabelerFactory.create()
    worked(ana, 3600, DAY)
    worked(ana, 3600, DAY + timedelta(days=9))
    worked(ana, 1800, DAY - timedelta(days=1))
    rate(mia, "20")
    assert money() == Decimal("40.00")
    rate(mia, "30", since=DAY + timedelta(days=7))
    total = total_of(costs_by_batch(book=rate_book()).values())
    assert (total.amount, total.unpriced, total.seconds) == (Decimal("50.00"), 1800, 9000)


def test_kinds_are_added_up_and_simulated_labelers_are_asked_for(mia: User) -> None:
    rate(mia, "36")
    worked(LabelerFactory.create(), 100)
    worked(LabelerFactory.create(), 50, kind=TaskKind.COMPARISON)
    worked(LabelerFactory.create(is_simulated=True), 1000)
    worked(LabelerFactory.create(is_external=True), 1000)
    people = by_kind(costs_by_batch(book=rate_book()))
    assert people == {
        "demonstration": Cost(100, Decimal("1.0"), 0),
        "comparison": Cost(50, Decimal("0.5"), 0),
    }
    assert total_of(costs_by_batch(book=rate_book(), simulated=True).values()).seconds == 1150


def test_without_any_rate_there_are_hours_and_no_money() -> None:
    worked(LabelerFactory.create(), 3600)
    total = total_of(costs_by_batch(book=rate_book()).values())
    assert (total.hours, total.amount, total.unpriced) == (1.0, None, 3600)


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_hour": Decimal("-1")},
        {"currency": "Euro"},
        {"currency": "E1R"},
        {"kind": "cooking"},
        {"vendor": "Blue", "labeler": "somebody"},
    ],
)
def test_rates_that_make_no_sense_are_refused(mia: User, wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"per_hour": Decimal("10"), "currency": "EUR", "valid_from": DAY, **wrong}
    if "labeler" in given:
        given["labeler"] = LabelerFactory.create()
    with pytest.raises(InvalidInput):
        add_rate(**given, by=mia)


def test_a_second_currency_is_refused_and_researchers_set_no_rates(mia: User, dana: User) -> None:
    rate(mia, "10")
    assert AuditEvent.objects.get(action="set_pay_rate").detail["per_hour"] == "10"
    with pytest.raises(InvalidInput, match="Rates are in EUR"):
        add_rate(per_hour=Decimal("10"), currency="USD", valid_from=DAY, by=mia)
    with pytest.raises(NotPermitted):
        rate(dana, "10")
