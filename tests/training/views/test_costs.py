"""What a round and a point of win rate cost: worked by hand, on the page, as CSV and for programs."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.errors import InvalidInput, NotPermitted
from labeling.models import Assignment, AuditEvent, Batch, Labeler, PayRate, Role, TaskKind, User
from labeling.rules.pay_rates import add_rate
from tests.factories import LabelerFactory, UserFactory
from tests.training.rules.test_round_outcomes import judged, turn
from training.models import MachineRate, Round, Run, Stage
from training.rules.costs import cost_report
from training.rules.machine_rates import add_machine_rate

pytestmark = pytest.mark.django_db


@pytest.fixture
def mia() -> User:
    return UserFactory.create(role=Role.MANAGER)


@pytest.fixture
def client(mia: User) -> Client:
    client = Client()
    client.force_login(mia, backend="django.contrib.auth.backends.ModelBackend")
    return client


def spend(batch: Batch, labeler: Labeler, seconds: int) -> None:
    """Add time at work to a batch."""
    task = batch.tasks.first()
    assert task is not None
    now = timezone.now()
    Assignment.objects.create(
        task=task, batch=batch, labeler=labeler, kind=batch.kind, state=Assignment.State.SUBMITTED,
        claimed_at=now, finished_at=now, active_seconds=seconds,
    )  # fmt: skip


@pytest.fixture
def round_one(mia: User) -> Round:
    """A round with 10 hours of comparisons at 30 EUR, won by 8 of 10 judgements."""
    ana = LabelerFactory.create()
    row = turn(ana)
    assert row.comparison_batch is not None
    spend(row.comparison_batch, ana, 36_000)
    evaluation = judged(row, wins=8, losses=2)
    spend(evaluation.batch, ana, 7_200)
    today = timezone.localdate()
    add_rate(per_hour=Decimal("30"), currency="EUR", valid_from=today - timedelta(days=1), by=mia)
    began = timezone.now() - timedelta(hours=3)
    run = Run.objects.create(
        stage=Stage.PPO, folder="x", started_at=began, finished_at=began + timedelta(hours=2)
    )
    Round.objects.filter(pk=row.pk).update(ppo_run=run)
    return Round.objects.get(pk=row.pk)


def test_a_point_costs_what_was_learned_from_divided_by_points_above_one_half(round_one: Round) -> None:
    report = cost_report()
    (row,) = report.rounds
    assert (row.taught.hours, row.taught.amount, row.evaluation.hours) == (10.0, Decimal("300.00"), 2.0)
    assert row.machine.hours == pytest.approx(2.0)
    assert row.machine.amount is None, "nobody has said what a machine costs"
    assert row.points == pytest.approx(30.0)
    assert row.per_point is not None
    assert row.per_point.hours == pytest.approx(1 / 3)
    assert row.per_point.money == Decimal("10.00")
    assert row.cheapest is not None
    assert 0.2 < (row.cheapest.hours or 0) < 1 / 3
    assert row.dearest is None, "with ten judgements the interval reaches one half"
    assert report.over_all == row.per_point
    comparison = report.by_kind["comparison"]
    assert comparison is not None
    assert comparison.money == Decimal("10.00")
    assert set(report.kinds) == {"comparison", "evaluation"}


def test_a_round_that_lost_ground_has_no_price_of_a_point_and_one_not_judged_neither() -> None:
    row = turn(LabelerFactory.create())
    assert cost_report().rounds[0].points is None
    assert cost_report().over_all is None
    judged(row, wins=1, losses=9)
    report = cost_report()
    assert report.rounds[0].points == pytest.approx(-40.0)
    assert (report.rounds[0].per_point, report.over_all) == (None, None)


def test_a_new_judgement_changes_the_figure_at_once(round_one: Round) -> None:
    before = cost_report().rounds[0].points
    judged(round_one, wins=1, losses=0)
    assert cost_report().rounds[0].points != before


def test_a_hundred_rounds_take_as_many_statements_as_one(round_one: Round) -> None:
    cost_report()
    with CaptureQueriesContext(connection) as one:
        cost_report()
    for number in range(2, 101):
        Round.objects.create(number=number)
    with CaptureQueriesContext(connection) as hundred:
        cost_report()
    assert len(hundred) == len(one) <= 8


def test_the_page_shows_it_and_says_how_it_is_computed(client: Client, round_one: Round) -> None:
    page = client.get(reverse("costs")).content.decode()
    assert "300.00 EUR" in page
    assert "0:20 h, 10.00 EUR" in page
    assert "the interval reaches one half" in page
    assert "one percentage point of win rate above one half" in page


def test_without_a_rate_the_page_has_hours_and_no_money(client: Client, round_one: Round) -> None:
    PayRate.objects.all().delete()
    page = client.get(reverse("costs")).content.decode()
    assert "0:20 h" in page
    assert "0.00" not in page


def test_an_empty_project_says_what_is_missing(client: Client) -> None:
    page = client.get(reverse("costs")).content.decode()
    for words in ("No hours yet", "No rounds yet", "Nobody has said what an hour costs"):
        assert words in page


def test_it_comes_as_csv_and_formulas_are_harmless(client: Client, round_one: Round) -> None:
    Round.objects.filter(pk=round_one.pk).update(name="=1+1")
    answer = client.get(reverse("costs") + "?format=csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert text.splitlines()[0].startswith("what,hours_demonstration")
    assert "'=1+1" in text
    assert "300.00" in text


def test_managers_set_rates_and_researchers_see_them(client: Client, round_one: Round) -> None:
    form = {"per_hour": "25", "currency": "eur", "valid_from": "2026-01-01", "kind": TaskKind.COMPARISON}
    assert client.post(reverse("pay-rates"), form).status_code == 302
    assert PayRate.objects.get(kind="comparison").currency == "EUR"
    assert client.post(reverse("pay-rates"), {**form, "currency": "USD"}).status_code == 422
    dana = UserFactory.create(role=Role.RESEARCHER)
    client.force_login(dana, backend="django.contrib.auth.backends.ModelBackend")
    assert "25.00 EUR" in client.get(reverse("pay-rates")).content.decode()
    client.post(reverse("pay-rates"), {**form, "per_hour": "1"})
    assert PayRate.objects.count() == 2


def test_programs_read_costs_and_set_rates(mia: User, round_one: Round) -> None:
    client = APIClient()
    client.force_authenticate(mia)
    body = client.get("/api/v1/costs/").json()
    assert body["rounds"][0]["comparison"] == {"hours": 10.0, "money": "300.00", "unpriced_hours": 0.0}
    assert body["per_point"]["money"] == "10.00"
    rate = {"per_hour": "12.50", "currency": "EUR", "valid_from": "2026-01-01"}
    assert client.post("/api/v1/costs/rates/", rate, format="json").status_code == 201
    assert len(client.get("/api/v1/costs/rates/").json()["results"]) == 2
    client.force_authenticate(UserFactory.create(role=Role.RESEARCHER))
    assert client.post("/api/v1/costs/rates/", rate, format="json").status_code == 403


def test_machine_hours_cost_what_their_queue_costs_and_those_of_sampling_count(
    mia: User, round_one: Round
) -> None:
    today = timezone.localdate()
    add_machine_rate(per_hour=Decimal("2"), valid_from=today - timedelta(days=9), by=mia)
    add_machine_rate(per_hour=Decimal("6"), valid_from=today - timedelta(days=9), queue="gpu", by=mia)
    add_machine_rate(per_hour=Decimal("60"), valid_from=today + timedelta(days=9), queue="gpu", by=mia)
    ended = timezone.now() - timedelta(hours=1)
    Run.objects.create(
        stage=Stage.SAMPLE, folder="s", queue="other", batch=round_one.comparison_batch,
        started_at=ended - timedelta(hours=3), finished_at=ended,
    )  # fmt: skip
    report = cost_report()
    (row,) = report.rounds
    assert (row.machine.hours, row.machine.amount) == (5.0, Decimal("18.00"))
    assert report.machine == row.machine
    assert report.machine_per_point is not None
    assert report.machine_per_point.money == Decimal("0.60")
    assert row.per_point is not None
    assert row.per_point.money == Decimal("10.00"), "labels alone, as before"


def test_the_pages_show_machine_rates_and_what_they_come_to(client: Client, round_one: Round) -> None:
    day = str(timezone.localdate() - timedelta(days=3))
    form = {"per_hour": "4.5", "valid_from": day, "queue": ""}
    assert client.post(reverse("machine-rates"), form).status_code == 302
    assert client.post(reverse("machine-rates"), {**form, "per_hour": "-1"}).status_code == 422
    assert client.post(reverse("machine-rates"), {**form, "queue": "nowhere"}).status_code == 422
    assert "4.50 EUR" in client.get(reverse("machine-rates")).content.decode()
    assert "9.00 EUR" in client.get(reverse("costs")).content.decode()
    assert AuditEvent.objects.filter(action="set_machine_rate").count() == 1
    client.force_login(
        UserFactory.create(role=Role.RESEARCHER), backend="django.contrib.auth.backends.ModelBackend"
    )
    client.post(reverse("machine-rates"), form)
    assert MachineRate.objects.count() == 1


def test_a_machine_has_no_price_before_there_is_a_currency(mia: User) -> None:
    with pytest.raises(InvalidInput, match="what an hour of labeling costs"):
        add_machine_rate(per_hour=Decimal("2"), valid_from=timezone.localdate(), by=mia)
    with pytest.raises(NotPermitted):
        add_machine_rate(per_hour=Decimal("2"), valid_from=timezone.localdate(), by=UserFactory.create())


def test_programs_set_machine_rates(mia: User, round_one: Round) -> None:
    client = APIClient()
    client.force_authenticate(mia)
    rate = {"per_hour": "3.00", "valid_from": "2026-01-01"}
    assert client.post("/api/v1/costs/machine-rates/", rate, format="json").status_code == 201
    assert client.get("/api/v1/costs/machine-rates/").json()["results"][0]["per_hour"] == "3.00"
    assert client.get("/api/v1/costs/").json()["rounds"][0]["machine"]["money"] == "6.00"
    client.force_authenticate(UserFactory.create(role=Role.RESEARCHER))
    assert client.post("/api/v1/costs/machine-rates/", rate, format="json").status_code == 403
