"""The screening and the hours by program."""

import pytest

from labeling.models import Assignment, Labeler, ScreeningAttempt, User
from labeling.rules.screening import Step
from labeling.rules.screening_tests import item_content
from tests.factories import claimed, writing_batch
from tests.labeling.api.conftest import ClientOf
from tests.labeling.screenings import published_test, right_answer

pytestmark = pytest.mark.django_db


def test_screening_from_first_item_to_handing_in(bob: Labeler, dana: User, client_of: ClientOf) -> None:
    test = published_test(dana)
    items = {str(item.code): item for item in test.items.all()}
    client = client_of(bob)
    body = client.get("/api/v1/screening/").json()
    assert (body["state"], len(body["items"])) == ("open", 7)
    assert all(item["reference"] is None for item in body["items"])
    early = client.post("/api/v1/screening/submit/")
    assert (early.status_code, early.json()["code"]) == (422, "invalid")
    for item in body["items"]:
        address = f"/api/v1/screening/items/{item['code']}/"
        assert client.put(address, {"is_complete": False}).status_code == 200  # an empty draft
        answer = client.put(address, right_answer(Step(items[item["code"]], None)))
        assert answer.status_code == 200, answer.json()
        assert (answer.json()["reference"] is not None) == item["is_training"]
        if item["is_training"]:
            assert client.put(address, {"is_sensitive": True}).json()["code"] == "item_closed"
    assert client.put("/api/v1/screening/coverage/", {"topics": ["Nonsense"]}).status_code == 422
    assert client.put("/api/v1/screening/coverage/", {"topics": test.topics[:1]}).status_code == 200
    assert client.post("/api/v1/screening/submit/").json()["state"] == "submitted"
    assert ScreeningAttempt.objects.get().topics == test.topics[:1]
    assert item_content(test.items.all()[0])["part"] == "flagging"


def test_screening_is_for_those_in_screening(alice: Labeler, client_of: ClientOf) -> None:
    refused = client_of(alice).get("/api/v1/screening/")
    assert (refused.status_code, refused.json()["code"]) == (404, "not_in_screening")


def test_hours_by_api(alice: Labeler, mia: User, client_of: ClientOf) -> None:
    writing_batch(tasks=1)
    row = claimed(alice, "demonstration")
    Assignment.objects.filter(pk=row.pk).update(active_seconds=1800)
    assert row.claimed_at is not None
    day = str(row.claimed_at.date())
    (week,) = client_of(mia).get("/api/v1/hours/", {"first": day, "last": day}).json()
    assert (week["labeler"], week["hours"], week["unfinished"]) == ("L-ALICE", 0.5, 1)
    wrong = client_of(mia).get("/api/v1/hours/", {"first": day, "last": day, "time_zone": "Mars"})
    assert wrong.status_code == 422
