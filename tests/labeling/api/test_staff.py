"""The staff's endpoints: prompts, batches, labelers, agreement."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from labeling.models import AuditEvent, Batch, Invitation, Labeler, User
from labeling.rules import comparisons
from labeling.rules.comparisons import Judgement
from tests.factories import PolicyFactory, PromptFactory, ResponseFactory, claimed, ranked_batch
from tests.labeling.api.conftest import ClientOf


@pytest.fixture
def manager(client_of: ClientOf, mia: User) -> APIClient:
    return client_of(mia)


def test_prompts_are_filtered_by_fixed_names_only(manager: APIClient) -> None:
    PromptFactory.create(split="test", language="de")
    PromptFactory.create(split="train", has_pii=True)
    PromptFactory.create(split="train", held_reason="over_cap")

    def found(query: str) -> int:
        response = manager.get(f"/api/v1/prompts/?{query}")
        assert response.status_code == 200, response.data
        return len(response.json()["results"])

    assert [found(q) for q in ("", "split=test", "language=de", "has_pii=true", "is_held=true")] == [
        3,
        1,
        1,
        1,
        1,
    ]
    assert found("is_held=false") == 2
    assert found("intake__source=x&author_key__startswith=u") == 3
    assert manager.get("/api/v1/prompts/?split=all").status_code == 422


def test_batch_is_made_filled_opened_watched_and_closed(manager: APIClient, alice: Labeler) -> None:
    made = manager.post("/api/v1/batches/", {"name": "Week 1", "kind": "comparison", "overlap": 2, "k": 2})
    assert made.status_code == 201, made.data
    code = made.json()["code"]
    items = []
    for _ in range(3):
        prompt = PromptFactory.create()
        responses = [str(ResponseFactory.create(prompt=prompt).code) for _ in range(2)]
        items.append({"prompt": str(prompt.code), "responses": responses})
    added = manager.post(f"/api/v1/batches/{code}/tasks/", {"comparisons": items})
    assert added.json() == {"added": 3}
    opened = manager.post(f"/api/v1/batches/{code}/open/")
    assert opened.json()["status"] == "open"
    assert opened.json()["progress"]["open"] == 6
    claimed(alice, "comparison")
    assert manager.get(f"/api/v1/batches/{code}/").json()["progress"]["leased"] == 1
    assert manager.post(f"/api/v1/batches/{code}/tasks/", {"comparisons": items}).status_code == 409
    assert manager.post(f"/api/v1/batches/{code}/close/").json()["status"] == "closed"
    assert manager.post(f"/api/v1/batches/{code}/close/").status_code == 409
    assert set(AuditEvent.objects.values_list("action", flat=True)) == {
        "create_batch", "add_tasks", "open_batch", "close_batch"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"k": 10}, "k"),
        ({"k": 1}, "k"),
        ({"overlap": 0}, "overlap"),
        ({"kind": "poetry"}, "kind"),
        ({"name": ""}, "name"),
        ({"cohorts": ["held_out"]}, "cohorts"),
        ({"cohorts": []}, "cohorts"),
        ({"lease_seconds": 5}, "lease_seconds"),
        ({"baseline": "nobody"}, "baseline"),
    ],
)
def test_batch_that_does_not_fit_is_422_by_field(
    manager: APIClient, fields: dict[str, Any], field: str
) -> None:
    response = manager.post("/api/v1/batches/", {"name": "B", "kind": "comparison", **fields}, format="json")
    assert response.status_code == 422
    assert field in response.json()["fields"]
    assert not Batch.objects.exists()


def test_evaluation_batch_names_its_baseline(manager: APIClient) -> None:
    PolicyFactory.create(name="sft-1")
    body = {"name": "Final", "kind": "evaluation", "cohorts": ["held_out"], "baseline": "sft-1"}
    response = manager.post("/api/v1/batches/", body)
    assert response.status_code == 201
    assert response.json()["baseline"] == "sft-1"


def test_unknown_prompt_adds_no_task_at_all(manager: APIClient) -> None:
    code = manager.post("/api/v1/batches/", {"name": "B", "kind": "demonstration"}).json()["code"]
    known = str(PromptFactory.create().code)
    body = {"prompts": [known, "00000000-0000-4000-8000-000000000000"]}
    response = manager.post(f"/api/v1/batches/{code}/tasks/", body, format="json")
    assert response.status_code == 422
    assert Batch.objects.get().tasks.count() == 0
    assert manager.post(f"/api/v1/batches/{code}/open/").status_code == 422


def test_labeler_is_invited_paused_and_qualified(manager: APIClient, bob: Labeler) -> None:
    invited = manager.post(
        "/api/v1/labelers/invitations/", {"email": "new@example.org", "kinds": ["comparison"]}
    )
    assert invited.status_code == 201
    assert invited.json()["token"] not in Invitation.objects.get().token_hash
    address = f"/api/v1/labelers/{bob.code}/"
    assert manager.post(address + "pause/", {"reason": "x"}).status_code == 409
    granted = manager.put(address + "qualifications/comparison/")
    assert (granted.json()["status"], granted.json()["qualifications"]) == ("active", ["comparison"])
    assert manager.put(address + "qualifications/poetry/").status_code == 422
    assert manager.post(address + "pause/", {}).status_code == 422
    assert manager.post(address + "pause/", {"reason": "holiday"}).json()["status"] == "paused"
    assert manager.post(address + "resume/", {}).json()["status"] == "active"
    assert manager.delete(address + "qualifications/comparison/").json()["qualifications"] == []
    assert manager.delete(address + "qualifications/comparison/").status_code == 409


def test_manager_may_not_invite_staff(manager: APIClient) -> None:
    response = manager.post("/api/v1/labelers/invitations/", {"email": "o@example.org", "role": "owner"})
    assert response.status_code == 403
    assert not Invitation.objects.exists()


def test_agreement_of_a_batch(manager: APIClient, alice: Labeler, hana: Labeler) -> None:
    batch = ranked_batch(tasks=2, k=3, overlap=2, kind="evaluation", cohorts=("train", "held_out"))
    for labeler in (alice, hana):
        for _ in range(2):
            held = claimed(labeler, "evaluation")
            codes = [candidate.response.code for candidate in held.task.candidates.all()]
            judgements = [Judgement(code, rank, 4) for rank, code in enumerate(codes, start=1)]
            comparisons.submit_ranking(assignment=held, judgements=judgements, idempotency_key=str(held.code))
    body = manager.get(f"/api/v1/agreement/?batch={batch.code}").json()
    assert (body["value"], body["pairs"], body["tasks"], body["chance"]) == (1.0, 6, 2, 0.5)
    assert manager.get("/api/v1/agreement/?cohort=held_out").json()["value"] is None
    assert manager.get("/api/v1/agreement/?tie_mode=none").status_code == 422


def test_schema_describes_every_endpoint_without_a_warning(db: None) -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    assert "/api/v1/tasks/next/" in out.getvalue()
