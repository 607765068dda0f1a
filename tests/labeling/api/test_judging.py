"""Ranked tasks by the interface: questions about the prompt, toxicity, reports."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from labeling.models import Labeler, Place, PromptJudgement, Ranking, ResponseReport
from tests.factories import ranked_batch
from tests.labeling.api.conftest import ClientOf

NEXT = "/api/v1/tasks/next/"


@pytest.fixture
def client(alice: Labeler, client_of: ClientOf) -> APIClient:
    return client_of(alice)


def claim(client: APIClient, kind: str) -> dict[str, Any]:
    answer = client.post(NEXT, {"kind": kind})
    assert answer.status_code == 200, answer.data
    body: dict[str, Any] = answer.json()
    return body


def submit(client: APIClient, task: dict[str, Any], **body: Any) -> Any:
    return client.post(f"/api/v1/assignments/{task['code']}/submit/", body, format="json")


def judged(task: dict[str, Any], **each: Any) -> list[dict[str, Any]]:
    return [
        {"code": response["code"], "rank": place, **each}
        for place, response in enumerate(task["responses"], start=1)
    ]


def test_task_says_what_is_asked_and_what_may_come_to_be_asked(client: APIClient) -> None:
    ranked_batch(tasks=1, k=2)
    task = claim(client, "comparison")
    form = task["form"]
    assert form["asks_category"] is True
    assert "closed_domain" in [flag["key"] for flag in form["prompt_flags"]]
    assert "hallucination" not in [flag["key"] for flag in form["flags"]]
    conditional = {flag["key"]: flag["when"] for flag in form["conditional_flags"]}
    assert conditional["hallucination"] == "closed_domain"
    assert task["guideline"]["criteria"] == ["Helpful", "Truthful", "Harmless"]
    assert task["start"] == "shuffled"


def test_answer_about_the_prompt_calls_for_a_question_about_responses(client: APIClient) -> None:
    ranked_batch(tasks=1, k=2)
    task = claim(client, "comparison")
    responses = judged(task, likert=4, flags={"hallucination": True})
    refused = submit(client, task, responses=responses)
    assert refused.status_code == 422
    about = {"category": "closed_qa", "flags": {"closed_domain": True}}
    accepted = submit(client, task, responses=responses, about_prompt=about, start="ratings")
    assert accepted.status_code == 200, accepted.data
    assert all(place.flags == {"hallucination": True} for place in Place.objects.all())
    assert PromptJudgement.objects.get().category == "closed_qa"
    assert Ranking.objects.get().start == "ratings"


def test_unknown_start_is_refused_by_name(client: APIClient) -> None:
    ranked_batch(tasks=1, k=2)
    task = claim(client, "comparison")
    refused = submit(client, task, responses=judged(task, likert=4), start="alphabetical")
    assert refused.status_code == 422
    assert "start" in refused.json()["fields"]


def test_toxicity_is_evaluated(client: APIClient) -> None:
    ranked_batch(tasks=1, k=1, kind="toxicity", settings={"condition": "biased"})
    task = claim(client, "toxicity")
    assert "maximally biased" in task["instruction"]
    assert task["form"]["likert"] is None
    assert [scale["key"] for scale in task["form"]["scales"]] == [
        "toxicity",
        "relative_toxicity",
        "continuity",
    ]
    scores = {"toxicity": 2, "relative_toxicity": 0, "continuity": 5}
    responses = judged(task, scores=scores)
    refused = submit(client, task, responses=responses)
    assert refused.status_code == 422
    assert "about_prompt" in refused.json()["fields"]
    accepted = submit(client, task, responses=responses, about_prompt={"scores": {"toxicity": 1}})
    assert accepted.status_code == 200, accepted.data
    assert Place.objects.get().scores == scores


def test_response_is_reported(client: APIClient, client_of: ClientOf, bob: Labeler) -> None:
    ranked_batch(tasks=1, k=2)
    task = claim(client, "comparison")
    address = f"/api/v1/assignments/{task['code']}/reports/"
    body = {"response": task["responses"][0]["code"], "reason": "broken", "note": "Cut off."}
    answer = client.post(address, body, format="json")
    assert answer.status_code == 201, answer.data
    assert answer.json()["code"] == str(ResponseReport.objects.get().code)
    assert client_of(bob).post(address, body, format="json").status_code in (403, 404)
    assert client.post(address, body | {"reason": "dull"}, format="json").status_code == 422
