"""The loop of work by API: prompts written, second thoughts, guidelines, preferences, questions, skips."""

import pytest

from labeling.models import Labeler, PromptKind, Question, Skip, TaskKind, UseCase, User, WrittenPrompt
from labeling.rules import assignments, batches, guidelines, skips, written_prompts
from tests.factories import claimed, writing_batch
from tests.labeling.api.conftest import ClientOf

pytestmark = pytest.mark.django_db
API = "/api/v1"
PAIRS = [{"query": "Cold food.", "response": "bad"}, {"query": "Warm food.", "response": "good"}]


def test_a_few_shot_prompt_is_written(alice: Labeler, client_of: ClientOf) -> None:
    batch = batches.create_batch(name="Prompts", kind=TaskKind.PROMPT)
    written_prompts.add_prompt_tasks(batch=batch, count=1, prompt_kind=PromptKind.FEW_SHOT)
    batches.open_batch(batch=batch)
    client = client_of(alice)
    served = client.post(f"{API}/tasks/next/", {"kind": "prompt"}).json()
    assert served["prompt"] == ""
    assert served["writing"] == {"prompt_kind": "few_shot", "use_case": "", "min_pairs": 2, "max_pairs": 9}
    url = f"{API}/assignments/{served['code']}"
    refused = client.post(f"{url}/submit/", {"text": "Judge.", "pairs": PAIRS[:1]})
    assert (refused.status_code, refused.json()["fields"]) == (422, {"pairs": "1 given"})
    draft = client.get(f"{url}/").json()["draft"]
    assert draft["payload"]["pairs"] == PAIRS[:1]
    body = {"text": "Judge.", "pairs": PAIRS, "typing": {"typed": 12, "pastes": 1}}
    receipt = client.post(f"{url}/submit/", body).json()
    assert receipt["revision"] == 1
    assert WrittenPrompt.objects.get().typing == {"typed": 12, "pastes": 1}
    assert client.get(f"{API}/receipts/").json()["results"][0]["content"]["pairs"] == PAIRS


def test_a_use_case_is_served_with_its_task(alice: Labeler, mia: User, client_of: ClientOf) -> None:
    made = client_of(mia).post(f"{API}/use-cases/", {"text": "A shop for plants"})
    assert made.status_code == 201
    case = UseCase.objects.get()
    batch = batches.create_batch(name="Prompts", kind=TaskKind.PROMPT)
    written_prompts.add_prompt_tasks(batch=batch, use_cases=[case], prompt_kind=PromptKind.USER_BASED)
    batches.open_batch(batch=batch)
    served = client_of(alice).post(f"{API}/tasks/next/", {"kind": "prompt"}).json()
    assert served["writing"]["use_case"] == "A shop for plants"
    assert client_of(alice).get(f"{API}/use-cases/").status_code == 403
    retired = client_of(mia).post(f"{API}/use-cases/{case.code}/retire/").json()
    assert retired["retired_at"]


def test_a_submission_is_taken_back_and_revised(alice: Labeler, client_of: ClientOf) -> None:
    writing_batch(tasks=1)
    client = client_of(alice)
    url = f"{API}/assignments/{claimed(alice, TaskKind.DEMONSTRATION).code}/submit/"
    receipt = client.post(url, {"text": "One."}).json()
    back = client.post(f"{API}/receipts/{receipt['code']}/undo/").json()
    assert back["draft"]["payload"] == {"text": "One."}
    second = client.post(url, {"text": "Two."}).json()
    assert second["revision"] == 2
    client.post(f"{API}/receipts/{second['code']}/reopen/")
    third = client.post(url, {"text": "Three."}).json()
    assert third["revision"] == 3
    late = client.post(f"{API}/receipts/{receipt['code']}/reopen/")
    assert (late.status_code, late.json()["code"]) == (409, "too_late_to_reopen")


def test_receipts_of_others_do_not_exist(alice: Labeler, hana: Labeler, client_of: ClientOf) -> None:
    writing_batch(tasks=1)
    url = f"{API}/assignments/{claimed(alice, TaskKind.DEMONSTRATION).code}/submit/"
    code = client_of(alice).post(url, {"text": "One."}).json()["code"]
    for verb in ("undo", "reopen"):
        assert client_of(hana).post(f"{API}/receipts/{code}/{verb}/").status_code == 404
    assert client_of(hana).get(f"{API}/receipts/").json()["results"] == []


def test_a_changed_guideline_is_acknowledged_before_the_next_task(
    alice: Labeler, mia: User, client_of: ClientOf
) -> None:
    newer = guidelines.publish_guideline(kind="demonstration", title="Writing", body="Well.", by=mia)
    writing_batch(tasks=1)
    client = client_of(alice)
    refused = client.post(f"{API}/tasks/next/", {"kind": "demonstration"})
    assert refused.status_code == 403
    assert (refused.json()["code"], refused.json()["fields"]) == (
        "guideline_changed", {"guideline": str(newer.code)},
    )  # fmt: skip
    assert client.post(f"{API}/guidelines/{newer.code}/acknowledge/").status_code == 204
    assert client.post(f"{API}/tasks/next/", {"kind": "demonstration"}).status_code == 200


def test_preferences_are_read_and_chosen(alice: Labeler, charlie: User, client_of: ClientOf) -> None:
    client = client_of(alice)
    assert client.get(f"{API}/preferences/").json()["avoids_distressing"] is False
    chosen = {"avoids_distressing": True, "break_after_minutes": 0}
    assert client.put(f"{API}/preferences/", chosen).json() == chosen
    assert client.put(f"{API}/preferences/", {**chosen, "break_after_minutes": -1}).status_code == 422
    assert client_of(charlie).get(f"{API}/preferences/").status_code == 403


def test_questions_are_asked_answered_pinned_and_merged(
    alice: Labeler, mia: User, charlie: User, client_of: ClientOf
) -> None:
    labeler, manager = client_of(alice), client_of(mia)
    first = labeler.post(f"{API}/questions/", {"title": "Lists?", "kind": "demonstration"}).json()
    second = labeler.post(f"{API}/questions/", {"title": "Bullets?"}).json()
    assert first["asked_by"] == "L-ALICE"
    assert labeler.post(f"{API}/questions/{first['code']}/answer/", {"text": "x"}).status_code == 403
    answered = manager.post(f"{API}/questions/{first['code']}/answer/", {"text": "Yes."}).json()
    assert answered["answer"] == "Yes."
    assert manager.post(f"{API}/questions/{first['code']}/pin/", {"is_pinned": True}).json()["is_pinned"]
    manager.post(f"{API}/questions/{second['code']}/merge/", {"into": first["code"]})
    assert labeler.get(f"{API}/questions/{second['code']}/").json()["code"] == first["code"]
    assert [row["title"] for row in labeler.get(f"{API}/questions/?q=bullets").json()["results"]] == [
        "Lists?"
    ]
    assert client_of(charlie).get(f"{API}/questions/").status_code == 403
    assert Question.objects.count() == 2


def test_staff_list_skipped_tasks_and_put_them_back(alice: Labeler, mia: User, client_of: ClientOf) -> None:
    task = writing_batch(tasks=1).tasks.get()
    slot = claimed(alice, TaskKind.DEMONSTRATION)
    assignments.skip(assignment=slot, reason=Skip.Reason.BROKEN)
    skips.set_aside(task)
    manager = client_of(mia)
    (row,) = manager.get(f"{API}/tasks/skipped/?reason=broken").json()["results"]
    assert row["counts"]["broken"] == 1
    assert manager.post(f"{API}/tasks/{task.code}/put-back/").json() == {"slots": 1}
    assert manager.post(f"{API}/tasks/{task.code}/put-back/").status_code == 409
    assert client_of(alice).get(f"{API}/tasks/skipped/").status_code == 403
