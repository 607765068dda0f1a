"""Gold, disagreements, flags, anchors and surveys by the interface."""

from typing import Any

import pytest

from labeling.models import (
    AnchorSet,
    AuditEvent,
    GoldAnswer,
    Labeler,
    Policy,
    Skip,
    Survey,
    TaskKind,
    User,
)
from labeling.rules import assignments, comparisons, policies
from labeling.rules.comparisons import Judgement, responses_in_display_order
from tests.factories import PromptFactory, claimed, qualified_labeler, ranked_batch, writing_batch
from tests.labeling.api.conftest import ClientOf

pytestmark = pytest.mark.django_db


def rank(labeler: Labeler, *, backwards: bool = False, note: str = "") -> dict[str, int]:
    """Rank the labeler's next comparison by the responses' codes; returns the order."""
    mine = claimed(labeler, TaskKind.COMPARISON)
    shown = sorted(responses_in_display_order(mine), key=lambda response: response.code, reverse=backwards)
    judgements = [Judgement(response.code, place, 4) for place, response in enumerate(shown, start=1)]
    comparisons.submit_ranking(
        assignment=mine, judgements=judgements, idempotency_key=str(mine.code), notes=note
    )
    return {str(response.code): place for place, response in enumerate(shown, start=1)}


def test_gold_is_marked_listed_and_withdrawn(dana: User, alice: Labeler, client_of: ClientOf) -> None:
    task = ranked_batch(tasks=1, k=3).tasks.get()
    client = client_of(dana)
    ranks = {
        str(code): place for place, code in enumerate(task.responses.values_list("code", flat=True), start=1)
    }
    address = f"/api/v1/tasks/{task.code}/gold/"
    assert client.put(address, {"ranks": ranks, "reason": ""}, format="json").status_code == 422
    answer = client.put(address, {"ranks": ranks, "reason": "The first is right."}, format="json")
    assert answer.status_code == 201, answer.data
    (listed,) = client.get("/api/v1/gold/").json()["results"]
    assert (listed["ranks"], listed["task"]) == (ranks, str(task.code))
    assert client_of(alice).get("/api/v1/gold/").status_code == 403
    assert client.delete(address).status_code == 204
    assert GoldAnswer.objects.get().withdrawn_at is not None
    assert client.delete(address).status_code == 404
    wrong = client.put(address, {"ranks": {"no code": 1}, "reason": "?"}, format="json")
    assert wrong.status_code == 422


def test_a_disagreement_is_listed_by_pseudonym_and_settled(
    dana: User, alice: Labeler, client_of: ClientOf
) -> None:
    task = ranked_batch(tasks=1, k=2, overlap=2).tasks.get()
    order = rank(alice)
    other = qualified_labeler()
    rank(other, backwards=True)
    client = client_of(dana)
    page = client.get("/api/v1/disagreements/").json()
    assert page["below"] is None
    assert page["results"][0]["agreement"] == 0.0
    assert page["results"][0]["rankings"][alice.pseudonym] == order
    body: dict[str, Any] = {"ranks": order, "reason": "Alice read it right.", "leaves_out_others": True}
    answer = client.post(f"/api/v1/tasks/{task.code}/settle/", body, format="json")
    assert answer.status_code == 201, answer.data
    assert client.get("/api/v1/disagreements/").json()["results"] == []
    assert client.post(f"/api/v1/tasks/{task.code}/settle/", body, format="json").status_code == 409


def test_flags_of_each_source_are_listed_without_names_and_answered(
    mia: User, alice: Labeler, client_of: ClientOf
) -> None:
    writing_batch(tasks=1)
    ranked_batch(tasks=1, k=2)
    slot = claimed(alice, TaskKind.DEMONSTRATION)
    assignments.skip(assignment=slot, reason="unclear", note="Which city?")
    rank(alice, note="Both are odd.")
    client = client_of(mia)
    (skip,) = client.get("/api/v1/flags/skips/").json()["results"]
    assert (skip["code"], skip["reason"], skip["note"]) == (str(slot.code), "unclear", "Which city?")
    assert alice.pseudonym not in str(skip)
    (note,) = client.get("/api/v1/flags/notes/").json()["results"]
    assert note["note"] == "Both are odd."
    address = f"/api/v1/flags/skips/{skip['code']}/answer/"
    assert client.post(address, {"text": ""}, format="json").status_code == 422
    assert client.post(address, {"text": "Any city."}, format="json").status_code == 204
    assert client.post(address, {"text": "Any city."}, format="json").status_code == 409
    assert client.get("/api/v1/flags/skips/").json()["results"] == []
    answered = client.get("/api/v1/flags/skips/?state=answered").json()["results"]
    assert answered[0]["answer"] == "Any city."
    nothing = client.post(f"/api/v1/flags/notes/{note['code']}/answer/", {"outcome": "no_action"})
    assert nothing.status_code == 204
    assert client.get("/api/v1/flags/reports/").json()["results"] == []
    assert client.get("/api/v1/flags/rumours/").status_code == 404
    assert Skip.objects.get().answer.by == mia


def test_anchors_are_made_from_two_policies_and_retired(mia: User, client_of: ClientOf) -> None:
    pair = [policies.policy_named(name, Policy.Kind.IMPORTED) for name in ("sft-1", "reference")]
    for prompt in PromptFactory.create_batch(3):
        for policy in pair:
            policies.add_response(prompt=prompt, policy=policy, text=policy.name)
    client = client_of(mia)
    body = {"name": "Drift", "watched": "sft-1", "against": "reference", "count": 2}
    answer = client.post("/api/v1/anchors/", body, format="json")
    assert answer.status_code == 201, answer.data
    assert answer.json()["anchors"] == 2
    assert client.post("/api/v1/anchors/", body | {"against": "nobody"}, format="json").status_code == 422
    (listed,) = client.get("/api/v1/anchors/").json()["results"]
    retired = client.post(f"/api/v1/anchors/{listed['code']}/retire/")
    assert retired.json()["retired_at"]
    assert AnchorSet.objects.get().retired_at is not None


def test_survey_rounds_are_opened_closed_and_counted_without_people(
    mia: User, dana: User, alice: Labeler, client_of: ClientOf
) -> None:
    managers = client_of(mia)
    opened = managers.post("/api/v1/surveys/", {"kind": "satisfaction"}, format="json").json()
    assert client_of(dana).post("/api/v1/surveys/", {"kind": "demographics"}).status_code == 403
    address = f"/api/v1/surveys/{opened['code']}/"
    assert client_of(dana).get(address).json()["questions"] == []  # still open
    assert managers.post(f"{address}close/").status_code == 200
    assert managers.post(f"{address}close/").status_code == 409
    (first, *_) = client_of(dana).get(address).json()["questions"]
    assert (first["answered"], first["is_hidden"], first["options"]) == (0, True, [])
    (row,) = client_of(dana).get("/api/v1/surveys/").json()["results"]
    assert (row["kind"], row["participants"]) == ("satisfaction", 0)
    assert client_of(alice).get(address).status_code == 403
    assert Survey.objects.get().closed_at is not None


def test_tasks_are_given_to_a_labeler(mia: User, alice: Labeler, client_of: ClientOf) -> None:
    batch = writing_batch(tasks=2)
    address = f"/api/v1/batches/{batch.code}/tasks/give/"
    body = {"tasks": [str(task.code) for task in batch.tasks.all()], "labeler": str(alice.code)}
    said = client_of(mia).post(address, body, format="json").json()
    assert (said["given"], said["left"]) == (2, 0)
    again = client_of(mia).post(address, body, format="json").json()
    assert (again["given"], again["left"]) == (0, 2)
    nobody = {**body, "labeler": str(batch.code)}
    refused = client_of(mia).post(address, nobody, format="json")
    assert (refused.status_code, refused.json()["fields"]) == (422, {"labeler": "unknown"})
    assert client_of(alice).post(address, body, format="json").status_code == 403


def test_tasks_move_to_another_batch(mia: User, client_of: ClientOf) -> None:
    source, target = writing_batch(tasks=2), writing_batch(tasks=1, cohorts=["researcher"])
    task = source.tasks.first()
    assert task is not None
    address = f"/api/v1/batches/{source.code}/tasks/move/"
    body = {"tasks": [str(task.code)], "to": str(target.code)}
    assert client_of(mia).post(address, body, format="json").json() == {"moved": 1, "divided": 0, "left": 0}
    assert client_of(mia).post(address, body, format="json").status_code == 422  # gone from here
    assert AuditEvent.objects.filter(action="move_tasks").count() == 1
