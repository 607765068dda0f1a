"""The labelers' endpoints: claim, draft, submit, skip, heartbeat."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import override_settings
from django.utils import timezone
from rest_framework.test import APIClient

from labeling.models import Assignment, Demonstration, Draft, Labeler, Policy, Ranking, Receipt
from labeling.rules import assignments, batches
from tests.factories import (
    PromptFactory,
    ResponseFactory,
    claimed,
    qualified_labeler,
    ranked_batch,
    writing_batch,
)
from tests.labeling.api.conftest import ClientOf

NEXT = "/api/v1/tasks/next/"
HOSTILE = "<script>alert(1)</script>\r\n\u202eevil\u2028 {{ 7*7 }} '; DROP TABLE users;-- \t trailing  "


@pytest.fixture
def client(alice: Labeler, client_of: ClientOf) -> APIClient:
    return client_of(alice)


def next_task(client: APIClient, kind: str) -> dict[str, Any]:
    response = client.post(NEXT, {"kind": kind})
    assert response.status_code == 200, response.data
    body: dict[str, Any] = response.json()
    return body


def address(task: dict[str, Any], step: str = "") -> str:
    return f"/api/v1/assignments/{task['code']}/{step}"


def ranking_of(task: dict[str, Any], **fields: Any) -> dict[str, Any]:
    responses = [
        {
            "code": response["code"],
            "rank": place,
            "likert": max(1, 8 - place),
            "flags": {"fails_task": place > 1},
        }
        for place, response in enumerate(task["responses"], start=1)
    ]
    return {"responses": responses, "notes": "", "was_touched": True, "moves": 2, **fields}


def test_next_task_has_all_that_doing_it_needs(client: APIClient) -> None:
    ranked_batch(tasks=1, k=4)
    task = next_task(client, "comparison")
    assert set(task) == {
        "code", "kind", "lease_expires_at", "guideline", "form", "start", "instruction", "prompt", "writing",
        "responses", "draft", "awaits_readings", "readings",
    }  # fmt: skip
    assert task["writing"] is None
    assignment = Assignment.objects.get(code=task["code"])
    assert task["prompt"] == assignment.task.given_prompt.text
    assert [response["code"] for response in task["responses"]] == assignment.display_order
    assert all(set(response) == {"code", "text"} for response in task["responses"])
    assert task["guideline"]["version"] == 1
    assert task["form"]["likert"]["min"] == 1
    assert "hallucination" not in {flag["key"] for flag in task["form"]["flags"]}
    assert task["draft"] is None


def test_policies_are_named_nowhere_in_what_a_labeler_gets(client: APIClient) -> None:
    ranked_batch(tasks=2, k=9, baseline=Policy.objects.create(name="secret-baseline", kind="trained"))
    task = next_task(client, "comparison")
    texts = [json.dumps(task), client.get(address(task)).content.decode()]
    texts.append(client.put(address(task, "draft/"), {"version": 0, "payload": {}}).content.decode())
    incomplete = ranking_of(task) | {"responses": []}
    texts.append(client.post(address(task, "submit/"), incomplete).content.decode())
    texts.append(client.post(address(task, "submit/"), ranking_of(task)).content.decode())
    texts.append(client.post(address(task, "submit/"), {"notes": "again"}).content.decode())
    names = [*Policy.objects.values_list("name", flat=True)]
    names += [str(code) for code in Policy.objects.values_list("code", flat=True)]
    for text in texts:
        assert not [name for name in names if name in text]


def test_nothing_open_is_204_with_retry_after(client: APIClient) -> None:
    response = client.post(NEXT, {"kind": "comparison"})
    assert response.status_code == 204
    assert 5 <= int(response.headers["Retry-After"]) <= 300
    assert not response.content


@pytest.mark.parametrize("body", [{}, {"kind": "poetry"}, {"kind": None}, []])
def test_next_needs_a_known_kind(client: APIClient, body: object) -> None:
    response = client.post(NEXT, body, format="json")
    assert response.status_code == 422
    assert set(response.json()) == {"code", "message", "fields"}


def test_refused_choice_names_what_is_allowed(client: APIClient) -> None:
    message = client.post(NEXT, {"kind": "poetry"}).json()["message"]
    assert '"poetry" is not one of demonstration, comparison, prompt, evaluation, toxicity.' in message


def test_broken_json_is_400(client: APIClient) -> None:
    response = client.post(NEXT, "{broken", content_type="application/json")
    assert response.status_code == 400
    assert response.json()["code"] == "parse_error"


def test_screening_labeler_and_outsider_may_not_claim(
    client_of: ClientOf, bob: Labeler, charlie: Any
) -> None:
    writing_batch()
    for person, code in ((bob, "not_active"), (charlie, "not_permitted")):
        response = client_of(person).post(NEXT, {"kind": "demonstration"})
        assert response.status_code == 403
        assert response.json()["code"] == code


def test_stranger_gets_401_in_the_one_shape(db: None) -> None:
    response = APIClient().post(NEXT, {"kind": "demonstration"})
    assert response.status_code == 401
    assert response.json()["code"] == "not_authenticated"


def test_claims_are_limited(client: APIClient) -> None:
    with override_settings(CLAIMS_PER_MINUTE=2):
        statuses = [client.post(NEXT, {"kind": "comparison"}).status_code for _ in range(3)]
        last = client.post(NEXT, {"kind": "comparison"})
    assert statuses == [204, 204, 429]
    assert last.json()["code"] == "throttled"
    assert int(last.headers["Retry-After"]) > 0


def test_demonstration_is_stored_verbatim_with_a_receipt(client: APIClient, alice: Labeler) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    assert task["responses"] == []
    response = client.post(address(task, "submit/"), {"text": HOSTILE}, headers={"Idempotency-Key": "k1"})
    assert response.status_code == 200
    demonstration = Demonstration.objects.get()
    assert demonstration.text == HOSTILE
    assert demonstration.response.text == HOSTILE
    assert demonstration.response.policy.kind == Policy.Kind.HUMAN
    assert demonstration.labeler == alice
    assert response.json()["code"] == str(Receipt.objects.get().code)


def test_submitting_again_with_the_same_key_gives_the_same_receipt(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    path, body = address(task, "submit/"), {"text": "once"}
    first = client.post(path, body, headers={"Idempotency-Key": "k"})
    again = client.post(path, body, headers={"Idempotency-Key": "k"})
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert Demonstration.objects.count() == 1


def test_submitting_again_with_another_key_is_409_with_the_receipt(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    first = client.post(address(task, "submit/"), {"text": "a"}, headers={"Idempotency-Key": "k1"})
    second = client.post(address(task, "submit/"), {"text": "b"}, headers={"Idempotency-Key": "k2"})
    assert second.status_code == 409
    assert second.json()["code"] == "already_submitted"
    assert second.json()["fields"]["receipt"]["code"] == first.json()["code"]


def test_without_a_key_the_content_stands_in(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    first = client.post(address(task, "submit/"), {"text": "a"})
    assert client.post(address(task, "submit/"), {"text": "a"}).json() == first.json()
    assert client.post(address(task, "submit/"), {"text": "b"}).status_code == 409


def test_without_a_key_the_same_content_is_the_next_submission_after_an_undo(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    first = client.post(address(task, "submit/"), {"text": "a"}).json()
    assert client.post(f"/api/v1/receipts/{first['code']}/undo/").status_code == 200
    second = client.post(address(task, "submit/"), {"text": "a"}).json()
    assert (second["revision"], second["code"] == first["code"]) == (2, False)
    assert client.post(address(task, "submit/"), {"text": "a"}).json() == second
    assert Demonstration.objects.newest().get().is_surplus is False


def test_without_a_key_one_may_come_back_to_what_one_had_first(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    for revision, text in enumerate(("a", "b", "a"), start=1):
        receipt = client.post(address(task, "submit/"), {"text": text}).json()
        assert receipt["revision"] == revision
        assert client.post(address(task, "submit/"), {"text": text}).json() == receipt
        client.post(f"/api/v1/receipts/{receipt['code']}/reopen/")
    assert Demonstration.objects.newest().get().text == "a"


def test_the_same_key_under_other_content_is_never_answered_as_done(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    path, key = address(task, "submit/"), {"Idempotency-Key": "k"}
    first = client.post(path, {"text": "a"}, headers=key).json()
    refused = client.post(path, {"text": "b"}, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (409, "already_submitted")
    assert refused.json()["fields"]["receipt"]["code"] == first["code"]
    client.post(f"/api/v1/receipts/{first['code']}/undo/")
    refused = client.post(path, {"text": "b"}, headers=key)
    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")


def test_ranking_is_submitted_as_a_list(client: APIClient) -> None:
    ranked_batch(tasks=1, k=5)
    task = next_task(client, "comparison")
    assert client.post(address(task, "submit/"), ranking_of(task)).status_code == 200
    places = Ranking.objects.get().places.order_by("rank")
    assert [str(place.response.code) for place in places] == [r["code"] for r in task["responses"]]
    assert [place.flags for place in places] == [{"fails_task": rank > 1} for rank in range(1, 6)]


@pytest.mark.parametrize(
    "fault", ["missing", "doubled", "foreign", "unrated", "rank 0", "no responses", "not a list"]
)
def test_faulty_ranking_is_422_by_field_and_kept_as_draft(client: APIClient, fault: str) -> None:
    ranked_batch(tasks=1, k=3)
    task = next_task(client, "comparison")
    body = ranking_of(task, notes="do not lose me")
    responses = body["responses"]
    match fault:
        case "missing":
            responses.pop()
        case "doubled":
            responses.append(dict(responses[0]))
        case "foreign":
            responses.append({"code": str(uuid4()), "rank": 1, "likert": 1})
        case "unrated":
            del responses[0]["likert"]
        case "rank 0":
            responses[0]["rank"] = 0
        case "no responses":
            del body["responses"]
        case _:
            body["responses"] = "first, second"
    response = client.post(address(task, "submit/"), body)
    assert response.status_code == 422
    assert "responses" in response.json()["fields"]
    draft = Draft.objects.get()
    assert draft.payload["notes"] == "do not lose me"
    assert not Ranking.objects.exists()
    assert client.get(address(task)).json()["draft"]["payload"]["notes"] == "do not lose me"


@pytest.mark.parametrize("responses", ["first, second", [], None, {}])
def test_refused_rubbish_does_not_take_the_place_of_the_draft(client: APIClient, responses: object) -> None:
    ranked_batch(tasks=1, k=2)
    task = next_task(client, "comparison")
    body = ranking_of(task)
    client.put(address(task, "draft/"), {"version": 0, "payload": body})
    answer = client.post(address(task, "submit/"), {"responses": responses, "notes": "newer"})
    assert answer.status_code == 422
    draft = Draft.objects.get()
    assert (draft.payload["responses"], draft.payload["notes"]) == (body["responses"], "newer")


def test_refused_blank_text_does_not_take_the_place_of_the_draft(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    client.put(address(task, "draft/"), {"version": 0, "payload": {"text": "Half a sent"}})
    assert client.post(address(task, "submit/"), {"text": " "}).status_code == 422
    assert Draft.objects.get().payload == {"text": "Half a sent"}


def test_empty_demonstration_is_422(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    response = client.post(address(task, "submit/"), {"text": " \n "})
    assert response.status_code == 422
    assert response.json()["fields"] == {"text": "is empty"}


def test_draft_is_versioned(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    saved = client.put(address(task, "draft/"), {"version": 0, "payload": {"text": HOSTILE}})
    assert saved.status_code == 200
    assert saved.json()["version"] == 1
    stale = client.put(address(task, "draft/"), {"version": 0, "payload": {"text": "older tab"}})
    assert stale.status_code == 409
    assert stale.json()["code"] == "stale_draft"
    assert stale.json()["fields"]["draft"]["version"] == 1
    assert stale.json()["fields"]["draft"]["payload"] == {"text": HOSTILE}
    assert next_task(client, "demonstration")["draft"]["payload"] == {"text": HOSTILE}


def test_skip_takes_a_reason_and_gives_another_task(client: APIClient) -> None:
    writing_batch(tasks=2)
    task = next_task(client, "demonstration")
    assert client.post(address(task, "skip/"), {"reason": "bored"}).status_code == 422
    skipped = client.post(address(task, "skip/"), {"reason": "unclear", "note": "which?"})
    assert skipped.json() == {"assignment": task["code"], "reason": "unclear", "note": "which?"}
    assert next_task(client, "demonstration")["code"] != task["code"]
    assert client.post(address(task, "submit/"), {"text": "late"}).json()["code"] == "already_skipped"


def test_heartbeat_renews_the_lease(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    beat = client.post(address(task, "heartbeat/"), {"active_seconds": 20})
    assert beat.status_code == 200
    assert beat.json()["active_seconds"] == 20
    assert beat.json()["lease_expires_at"] > task["lease_expires_at"]


def test_late_submission_is_kept_as_surplus(client: APIClient) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    Assignment.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assignments.reclaim_leases()
    claimed(qualified_labeler(), "demonstration")
    assert client.post(address(task, "heartbeat/")).status_code == 409
    response = client.post(address(task, "submit/"), {"text": "late but whole"})
    assert response.status_code == 200
    assert response.json()["is_surplus"] is True
    assert Demonstration.objects.get().is_surplus


def test_assignments_of_others_do_not_exist(client: APIClient, client_of: ClientOf, mia: Any) -> None:
    writing_batch(tasks=1)
    task = next_task(client, "demonstration")
    stranger = client_of(qualified_labeler())
    assert stranger.get(address(task)).status_code == 404
    for step in ("submit/", "skip/", "heartbeat/"):
        assert stranger.post(address(task, step), {"text": "x", "reason": "unclear"}).status_code == 404
    assert stranger.put(address(task, "draft/"), {"version": 0, "payload": {}}).status_code == 404
    assert client_of(mia).get(address(task)).status_code == 403
    assert not Demonstration.objects.exists()


def test_empty_and_very_long_responses_are_served_whole(client: APIClient) -> None:
    prompt = PromptFactory.create()
    texts = ["", "x" * 50_000]
    batch = batches.create_batch(name="Long", kind="comparison")
    responses = [ResponseFactory.create(prompt=prompt, text=text) for text in texts]
    batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
    batches.open_batch(batch=batch)
    task = next_task(client, "comparison")
    assert sorted(response["text"] for response in task["responses"]) == texts
