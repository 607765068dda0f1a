"""The playground over the API: the shape, the refusals, and what stays hidden."""

from typing import Any
from unittest.mock import patch

import pytest
from rest_framework.test import APIClient

from labeling.models import User
from tests.factories import qualified_labeler
from tests.training.talks import notice, policy, researcher, trained_pair
from training.models import Reply, ReplyState

pytestmark = pytest.mark.django_db

ROOT = "/api/v1/playground"


@pytest.fixture
def dana() -> User:
    return researcher()


@pytest.fixture
def api(dana: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(dana)
    return client


@pytest.fixture(autouse=True)
def sent() -> Any:
    with patch("training.api.playground.enqueue_turn") as enqueue:
        yield enqueue


def test_a_conversation_from_start_to_reply(api: APIClient, sent: Any) -> None:
    notice()
    model = policy("p")
    made = api.post(f"{ROOT}/conversations/", {"models": [str(model.code)], "consent": 1})
    assert made.status_code == 201
    address = f"{ROOT}/conversations/{made.data['code']}/"
    assert made.data["sides"] == [{"letter": "A", "model": str(model.code), "name": "p"}]
    asked = api.post(f"{address}turns/", {"prompt": "Name a bird.", "number": 1})
    assert asked.status_code == 202
    assert sent.called
    [turn] = asked.data["turns"]
    assert turn["intake"] == "Kept as a prompt."
    assert turn["replies"][0]["state"] == "queued"
    assert api.post(f"{address}turns/", {"prompt": "Another."}).data["code"] == "unfinished"
    Reply.objects.update(state=ReplyState.DONE, text="A robin.", tokens=3)
    body = api.get(address).data
    assert (body["turns"][0]["replies"][0]["text"], body["consent"]) == ("A robin.", 1)
    assert [row["code"] for row in api.get(f"{ROOT}/conversations/").data["results"]] == [made.data["code"]]
    assert api.delete(address).status_code == 204
    assert api.get(address).data["turns"][0]["prompt"] == ""


def test_blind_names_come_with_the_vote(api: APIClient) -> None:
    trained_pair()
    made = api.post(f"{ROOT}/conversations/", {"mode": "blind"})
    address = f"{ROOT}/conversations/{made.data['code']}/"
    api.post(f"{address}turns/", {"prompt": "Name a bird."})
    Reply.objects.update(state=ReplyState.DONE, text="A robin.", tokens=3)
    body = api.get(address)
    assert b"ppo-1" not in body.content
    assert body.data["may_vote"] is True
    assert body.data["turns"][0]["replies"][0]["tokens"] is None
    assert api.post(f"{address}vote/", {"choice": "C"}).status_code == 422
    voted = api.post(f"{address}vote/", {"choice": "tie"})
    assert {side["name"] for side in voted.data["sides"]} == {"sft-1", "ppo-1"}
    assert api.post(f"{address}vote/", {"choice": "tie"}).status_code == 409
    rows = api.get(f"{ROOT}/votes/").data
    assert [(row["votes"], row["wins"], row["share"]) for row in rows] == [(1, None, None)] * 2


def test_stopping_and_trying_again(api: APIClient, sent: Any) -> None:
    made = api.post(f"{ROOT}/conversations/", {"models": [str(policy("p").code)]})
    address = f"{ROOT}/conversations/{made.data['code']}/"
    asked = api.post(f"{address}turns/", {"prompt": "Name a bird."})
    code = asked.data["turns"][0]["replies"][0]["code"]
    assert api.post(f"{ROOT}/replies/{code}/retry/").status_code == 409
    stopped = api.post(f"{address}stop/")
    assert stopped.data["turns"][0]["replies"][0]["state"] == "cancelled"
    again = api.post(f"{ROOT}/replies/{code}/retry/")
    assert (again.status_code, again.data["turns"][0]["replies"][0]["state"]) == (202, "queued")
    assert sent.call_count == 2


def test_too_many_prompts_answer_429(api: APIClient, settings: Any) -> None:
    settings.PLAYGROUND_PER_MINUTE = 1
    made = api.post(f"{ROOT}/conversations/", {"models": [str(policy("p").code)]})
    address = f"{ROOT}/conversations/{made.data['code']}/turns/"
    assert api.post(address, {"prompt": "One."}).status_code == 202
    Reply.objects.update(state=ReplyState.DONE)
    refused = api.post(address, {"prompt": "Two."})
    assert (refused.status_code, refused.data["code"]) == (429, "rate_limited")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"models": ["00000000-0000-0000-0000-000000000001"]}, "models"),
        ({"models": []}, "models"),
        ({"mode": "loud"}, "mode"),
        ({"mode": "blind", "temperature": 9}, "models"),
    ],
)
def test_wrong_starts_are_refused_by_field(api: APIClient, body: dict[str, Any], field: str) -> None:
    refused = api.post(f"{ROOT}/conversations/", body)
    assert refused.status_code == 422
    assert list(refused.data["fields"]) == [field]


def test_others_find_nothing_and_labelers_may_not(api: APIClient) -> None:
    made = api.post(f"{ROOT}/conversations/", {"models": [str(policy("p").code)]})
    other = APIClient()
    other.force_authenticate(researcher())
    assert other.get(f"{ROOT}/conversations/{made.data['code']}/").status_code == 404
    assert other.get(f"{ROOT}/conversations/").data["results"] == []
    other.force_authenticate(qualified_labeler().user)
    assert other.get(f"{ROOT}/conversations/").status_code == 403
