"""Readings by API: nothing holds the prompt before them, and everything after."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from labeling.models import Assignment, Draft, Labeler, Prompt, Reading, User
from labeling.rules import batches
from tests.factories import PromptFactory, ranked_batch, ranked_task
from tests.labeling.api.conftest import ClientOf

pytestmark = pytest.mark.django_db
API = "/api/v1"
SECRET = "Why does the sixth violin player never smile?"


@pytest.fixture
def client(alice: Labeler, client_of: ClientOf) -> APIClient:
    return client_of(alice)


@pytest.fixture
def batch(db: None) -> None:
    """One open comparison of three responses whose labelers read first; the prompt has tags that ask more."""
    made = batches.create_batch(name="Ranking", kind="comparison", k=3, reads_first=True)
    tags = {"closed_domain": True}
    ranked_task(made, 3, PromptFactory.create(text=SECRET, tags=tags, category="closed_qa"))
    batches.open_batch(batch=made)


def next_task(client: APIClient) -> dict[str, Any]:
    body: dict[str, Any] = client.post(f"{API}/tasks/next/", {"kind": "comparison"}).json()
    return body


def said_of(task: dict[str, Any], words: str = "a joke") -> dict[str, Any]:
    return {"readings": [{"code": each["code"], "text": words} for each in task["responses"]]}


def ranking_of(task: dict[str, Any]) -> dict[str, Any]:
    responses = [{"code": each["code"], "rank": 1, "likert": 4} for each in task["responses"]]
    return {"responses": responses}


def test_no_answer_before_the_readings_tells_the_prompt(batch: None, client: APIClient) -> None:
    task = next_task(client)
    url = f"{API}/assignments/{task['code']}/"
    assert (task["prompt"], task["form"], task["awaits_readings"], task["readings"]) == ("", None, True, [])
    assert len(task["responses"]) == 3
    response = task["responses"][0]["code"]
    drafted = {"version": 0, "payload": said_of(task)}
    answers = [
        client.post(f"{API}/tasks/next/", {"kind": "comparison"}),
        client.get(url),
        client.put(f"{url}draft/", drafted),
        client.put(f"{url}draft/", {"version": 1, "payload": ranking_of(task)}),
        client.post(f"{url}submit/", ranking_of(task)),
        client.post(f"{url}submit/", {"responses": "nonsense"}),
        client.post(f"{url}submit/", {"text": "a text"}),
        client.post(f"{url}readings/", {"readings": []}),
        client.post(f"{url}readings/", {}),
        client.post(f"{url}reports/", {"response": response, "reason": "broken"}),
        client.post(f"{url}heartbeat/", {"active_seconds": 3}),
        client.get(f"{API}/receipts/"),
        client.get(f"{API}/assignments/{Prompt.objects.get().code}/"),
    ]
    told = [answer for answer in answers if SECRET in answer.content.decode()]
    assert told == []
    assert str(Prompt.objects.get().code) not in "".join(answer.content.decode() for answer in answers)
    assert [answer.status_code for answer in answers] == [
        200, 200, 200, 409, 409, 422, 409, 422, 422, 201, 200, 200, 404,
    ]  # fmt: skip
    assert answers[4].json()["code"] == "readings_first"
    assert Draft.objects.get().payload == drafted["payload"]
    assert client.post(f"{url}skip/", {"reason": "unclear"}).status_code == 200
    assert SECRET not in client.get(url).content.decode()


def test_readings_are_answered_with_the_prompt_and_the_ranking_follows(
    batch: None, client: APIClient
) -> None:
    task = next_task(client)
    url = f"{API}/assignments/{task['code']}/"
    served = client.post(f"{url}readings/", said_of(task)).json()
    assert (served["prompt"], served["awaits_readings"]) == (SECRET, False)
    assert served["form"]["flags"]
    expected = [
        {"code": each["code"], "text": "a joke", "cannot_tell": False} for each in served["responses"]
    ]
    assert served["readings"] == expected
    again = client.post(f"{url}readings/", said_of(task, "something else"))
    assert (again.status_code, again.json()["readings"]) == (200, expected)
    assert next_task(client)["readings"] == expected
    assert client.put(f"{url}draft/", {"version": 0, "payload": {"notes": "x"}}).status_code == 200
    receipt = client.post(f"{url}submit/", ranking_of(task))
    assert receipt.status_code == 200
    back = client.post(f"{API}/receipts/{receipt.json()['code']}/undo/").json()
    assert (back["prompt"], back["readings"]) == (SECRET, expected)
    assert client.post(f"{url}readings/", said_of(task)).status_code == 200


def test_refused_readings_name_each_response(batch: None, client: APIClient) -> None:
    task = next_task(client)
    url = f"{API}/assignments/{task['code']}/readings/"
    first, second, third = (each["code"] for each in task["responses"])
    body = {"readings": [{"code": first, "text": ""}, {"code": second, "cannot_tell": True}]}
    refused = client.post(url, body)
    assert refused.status_code == 422
    assert set(refused.json()["fields"]["readings"]) == {first, third}
    too_long = {"readings": [{"code": first, "text": "x" * 2001}]}
    assert client.post(url, too_long).status_code == 422
    assert not Reading.objects.exists()


def test_readings_of_others_tasks_and_of_tasks_that_ask_for_none_are_refused(
    client: APIClient, hana: Labeler, client_of: ClientOf
) -> None:
    ranked_batch(tasks=1, k=2)
    task = next_task(client)
    assert (task["awaits_readings"], bool(task["prompt"])) == (False, True)
    url = f"{API}/assignments/{task['code']}/readings/"
    refused = client.post(url, said_of(task))
    assert (refused.status_code, refused.json()["code"]) == (422, "not_asked")
    assert client_of(hana).post(url, said_of(task)).status_code == 404


def test_staff_make_a_batch_that_asks_and_see_that_it_does(mia: User, client_of: ClientOf) -> None:
    manager = client_of(mia)
    body = {"name": "Read first", "kind": "comparison", "reads_first": True}
    made = manager.post(f"{API}/batches/", body)
    assert (made.status_code, made.json()["reads_first"]) == (201, True)
    assert manager.get(f"{API}/batches/").json()["results"][0]["reads_first"] is True
    refused = manager.post(f"{API}/batches/", body | {"kind": "toxicity"})
    assert refused.status_code == 422
    assert "not for toxicity" in refused.json()["fields"]["reads_first"]
    assert manager.post(f"{API}/batches/", {"name": "B", "kind": "comparison"}).json()["reads_first"] is False


def test_late_readings_of_an_ended_lease_are_taken(batch: None, client: APIClient) -> None:
    task = next_task(client)
    Assignment.objects.update(state=Assignment.State.EXPIRED)
    served = client.post(f"{API}/assignments/{task['code']}/readings/", said_of(task))
    assert (served.status_code, served.json()["prompt"]) == (200, SECRET)
