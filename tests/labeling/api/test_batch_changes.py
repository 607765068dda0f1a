"""The interface of running batches and reviews."""

import pytest
from rest_framework.test import APIClient

from labeling.models import Batch, Labeler, TaskKind, User
from tests.factories import PolicyFactory, PromptFactory, ResponseFactory, writing_batch
from tests.labeling.api.conftest import ClientOf
from tests.labeling.rules.test_reviews import written


@pytest.fixture
def manager(client_of: ClientOf, mia: User) -> APIClient:
    return client_of(mia)


def test_batch_is_paused_changed_balanced_and_undone(manager: APIClient) -> None:
    code = writing_batch(tasks=2, overlap=2).code
    at = f"/api/v1/batches/{code}"
    assert manager.post(f"{at}/pause/", {"reason": "Lunch"}).json()["status"] == "paused"
    assert manager.post(f"{at}/pause/").status_code == 409
    assert manager.post(f"{at}/resume/").json()["status"] == "open"
    assert manager.post(f"{at}/change/", {"priority": 8}).json()["priority"] == 8
    refused = manager.post(f"{at}/change/", {"priority": 5000})
    assert (refused.status_code, list(refused.json()["fields"])) == (422, ["priority"])
    assert manager.post(f"{at}/undo/").json()["priority"] == 0
    assert manager.post(f"{at}/change/", {"labeler_cap": 3}).json()["labeler_cap"] == 3
    emptied = manager.post(f"{at}/change/", {"labeler_cap": None}, format="json")
    assert emptied.json()["labeler_cap"] is None
    assert manager.post(f"{at}/balance/", {"overlap": 3}).json() == {"tasks": 2, "opened": 2, "withdrawn": 0}
    assert manager.post(f"{at}/withdraw/").json()["withdrawn"] == 6
    assert manager.post(f"{at}/undo/").json()["progress"]["open"] == 6
    assert manager.post(f"{at}/close/").json()["status"] == "closed"
    assert manager.post(f"{at}/reopen/").json()["progress"]["open"] == 6
    assert manager.post(f"{at}/template/", {"name": "Weekly"}).status_code == 201
    assert [row["name"] for row in manager.get("/api/v1/batches/templates/").json()] == ["Weekly"]


def test_prompts_are_counted_and_drawn_by_filters_and_shares(manager: APIClient) -> None:
    one, other = PolicyFactory.create_batch(2)
    for prompt in PromptFactory.create_batch(3, tags={"closed_domain": True}):
        ResponseFactory.create(prompt=prompt, policy=one)
    ResponseFactory.create(prompt=prompt, policy=other)
    PromptFactory.create()
    code = manager.post("/api/v1/batches/", {"name": "B", "kind": "comparison", "k": 2}).json()["code"]
    at = f"/api/v1/batches/{code}"
    shares = [{"policy": one.name, "count": 1}, {"policy": other.name, "count": 1}]
    body = {"count": 1, "tags": ["closed_domain"], "shares": shares}
    look = manager.post(f"{at}/look/", body, format="json").json()
    assert look["matching"] == 1
    assert [row["missing"] for row in look["coverage"]] == [0, 2]
    assert manager.post(f"{at}/draw/", body, format="json").json() == {"added": 1}
    assert Batch.objects.get(code=code).tasks.get().prompt == prompt
    strange = {"count": 1, "shares": [{"policy": "nobody", "count": 1}]}
    assert manager.post(f"{at}/look/", strange, format="json").status_code == 422
    assert manager.post(f"{at}/look/", {"count": 1, "tags": ["a__b', --"]}, format="json").status_code == 422


def test_demonstration_is_reviewed_without_a_name(manager: APIClient, alice: Labeler) -> None:
    writing_batch(tasks=1)
    row = written(alice)
    [listed] = manager.get("/api/v1/reviews/").json()["results"]
    assert listed["code"] == str(row.code)
    assert "L-ALICE" not in str(listed)
    at = f"/api/v1/reviews/{row.code}/"
    assert manager.post(at, {"decision": "returned"}).status_code == 422
    assert manager.post(at, {"decision": "accepted", "grade": 7}).json()["grade"] == 7
    assert manager.get("/api/v1/reviews/").json()["results"] == []


@pytest.mark.parametrize("step", ["pause", "balance", "withdraw", "undo", "draw", "template", "change"])
def test_labelers_change_no_batch(client_of: ClientOf, alice: Labeler, step: str) -> None:
    batch = writing_batch(tasks=1)
    assert client_of(alice).post(f"/api/v1/batches/{batch.code}/{step}/", {}).status_code == 403
    assert client_of(alice).get("/api/v1/reviews/").status_code == 403
    assert batch.kind == TaskKind.DEMONSTRATION
