"""Rounds that programs let go on by themselves, and their gates."""

import pytest
from rest_framework.test import APIClient

from labeling.models import AuditEvent, Role
from tests.factories import UserFactory
from tests.training.factories import draft_batch, ranking
from tests.training.rules.test_over_optimisation import UP, judged, trained
from training.models import Round
from training.rules.datasets import freeze_dataset
from training.rules.rounds import open_round

pytestmark = pytest.mark.django_db


@pytest.fixture
def dana() -> APIClient:
    """A researcher's program."""
    client = APIClient()
    client.force_authenticate(UserFactory.create(role=Role.RESEARCHER, email="dana@example.org"))
    return client


def url(given: Round, what: str = "") -> str:
    return f"/api/v1/rounds/{given.code}/{what}"


def test_a_round_goes_on_by_itself_and_waits_again(dana: APIClient) -> None:
    given = Round.objects.create(number=1, settings={"stopped": "A step failed."})
    on = dana.post(url(given, "automatic/"), {"is_automatic": True}, format="json").json()
    assert (on["settings"]["is_automatic"], on["settings"]["stopped"]) == (True, "")
    off = dana.post(url(given, "automatic/"), {"is_automatic": False}, format="json").json()
    assert off["settings"]["is_automatic"] is False
    assert AuditEvent.objects.filter(action="set_round_automatic").count() == 2
    wrong = dana.post(url(given, "automatic/"), {}, format="json")
    assert (wrong.status_code, set(wrong.json()["fields"])) == (422, {"is_automatic"})


def test_a_gate_says_what_was_found_and_what_is_wanted(dana: APIClient) -> None:
    given = Round.objects.create(number=1)
    assert dana.get(url(given, "gate/")).json() == {
        "is_reached": False,
        "is_open": False,
        "checks": [],
        "override": None,
    }
    batch = draft_batch(k=2)
    ranking([1, 2], batch=batch)
    Round.objects.update(comparison_batch=batch, comparisons_dataset=freeze_dataset(kind="comparisons"))
    closed = dana.get(url(given, "gate/")).json()
    assert (closed["is_reached"], closed["is_open"], closed["override"]) == (True, False, None)
    overlap = next(check for check in closed["checks"] if check["key"] == "overlap")
    assert overlap == {
        "key": "overlap",
        "title": "Several labelers",
        "has_passed": False,
        "found": "0 of 1 tasks have two labelers or more (0 %)",
        "wanted": "10 % at least",
    }
    reason = "One labeler must do for this test."
    assert dana.post(url(given, "gate/"), {"reason": reason}, format="json").status_code == 200
    opened = dana.get(url(given, "gate/")).json()
    assert opened["is_open"]
    assert opened["override"]["reason"] == reason
    assert "overlap" in opened["override"]["failed"]
    again = dana.post(url(given, "gate/"), {"reason": reason}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "gate_open")


def test_a_round_says_the_alarm_of_its_policy(dana: APIClient) -> None:
    given = open_round(base_model=(model := trained(*UP)).parent, settings={"alarm": {"judgements": 8}})
    assert dana.get(url(given)).json()["alarm"] is None
    Round.objects.update(ppo_run=model.run)
    judged(model, wins=2, losses=8)
    alarm = dana.get(url(given)).json()["alarm"]
    assert model.parent is not None
    assert (alarm["state"], alarm["baseline"], alarm["wanted"]) == ("alarm", model.parent.name, 8)
