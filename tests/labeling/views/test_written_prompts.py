"""The page of prompt writing, with and without scripts."""

import re

import pytest

from labeling.models import (
    Assignment,
    Demonstration,
    Draft,
    Labeler,
    PromptKind,
    Receipt,
    TaskKind,
    WrittenPrompt,
)
from labeling.rules import batches, written_prompts
from tests.factories import claimed
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db
PAIRS = {"query-1": "Cold food.", "response-1": "bad", "query-2": "Warm food.", "response-2": "good"}


def prompt_slot(labeler: Labeler, kind: str = PromptKind.PLAIN, count: int = 2) -> Assignment:
    batch = batches.create_batch(name="Prompts", kind=TaskKind.PROMPT)
    written_prompts.add_prompt_tasks(batch=batch, count=count, prompt_kind=kind)
    batches.open_batch(batch=batch)
    return claimed(labeler, TaskKind.PROMPT)


def url_of(slot: Assignment) -> str:
    return f"/written-prompts/{slot.code}/write/"


def test_plain_prompt_is_written_and_submitted(alice: Labeler, visit: Visit) -> None:
    slot = prompt_slot(alice)
    client = visit(alice)
    page = client.get(url_of(slot)).content.decode()
    assert "Any task you like" in page
    answer = client.post(url_of(slot), {"text": "Name a river.", "idempotency_key": "k", "then": "next"})
    following = Assignment.objects.leased().get(labeler=alice)
    assert (answer.status_code, answer["Location"]) == (302, url_of(following))
    assert WrittenPrompt.objects.get().text == "Name a river."
    assert "Undo" in client.get(url_of(following)).content.decode()


def test_finishing_for_now_leads_to_the_receipt_and_gives_back_what_was_prepared(
    alice: Labeler, visit: Visit
) -> None:
    slot = prompt_slot(alice)
    client = visit(alice)
    client.post("/work/ahead/prompt/")
    assert Assignment.objects.leased().filter(labeler=alice).count() == 2
    answer = client.post(url_of(slot), {"text": "Name a river.", "idempotency_key": "k"})
    assert answer["Location"] == f"/receipts/{Receipt.objects.get().code}/"
    assert not Assignment.objects.leased().filter(labeler=alice).exists()


def test_pairs_are_added_and_taken_out_without_scripts(alice: Labeler, visit: Visit) -> None:
    slot = prompt_slot(alice, PromptKind.FEW_SHOT)
    client = visit(alice)
    page = client.get(url_of(slot)).content.decode()
    assert 'name="query-2"' in page
    assert 'name="query-3"' not in page
    page = client.post(url_of(slot), {"text": "Judge.", **PAIRS, "add": "1"}).content.decode()
    assert 'name="query-3"' in page
    third = {"query-3": "Late food.", "response-3": "bad"}
    page = client.post(url_of(slot), {"text": "Judge.", **PAIRS, **third, "take_out": "1"}).content.decode()
    assert "Cold food." not in page
    assert "Late food." in page
    assert not Draft.objects.exists()


def test_few_shot_faults_stand_beside_their_pair_and_nothing_is_lost(alice: Labeler, visit: Visit) -> None:
    slot = prompt_slot(alice, PromptKind.FEW_SHOT)
    client = visit(alice)
    wrong = {**PAIRS, "response-2": ""}
    answer = client.post(url_of(slot), {"text": "Judge.", **wrong, "idempotency_key": "k"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Pair 2: response empty." in page
    [focused] = re.findall(r"<textarea[^>]*autofocus[^>]*>", page)
    assert 'name="response-2"' in focused
    assert 'aria-invalid="true"' in focused
    assert Draft.objects.get().payload["pairs"][0] == {"query": "Cold food.", "response": "bad"}
    client.post(url_of(slot), {"text": "Judge.", **PAIRS, "idempotency_key": "k"})
    assert Demonstration.objects.count() == 2


def test_draft_is_saved_without_scripts(alice: Labeler, visit: Visit) -> None:
    slot = prompt_slot(alice, PromptKind.FEW_SHOT)
    client = visit(alice)
    client.post(url_of(slot), {"text": "Judge.", **PAIRS, "save": "1"})
    page = client.get(url_of(slot)).content.decode()
    assert "Judge." in page
    assert "Warm food." in page


def test_preview_shows_the_prompts_that_pairs_make(alice: Labeler, visit: Visit) -> None:
    client = visit(alice)
    page = client.post(
        "/written-prompts/preview/", {"prompt_kind": "few_shot", "text": "<b>Judge.</b>", **PAIRS}
    ).content.decode()
    assert "Prompt 1 of 2" in page
    assert "&lt;b&gt;Judge." in page


def test_other_peoples_and_other_kinds_tasks_are_not_found(
    alice: Labeler, bob: Labeler, visit: Visit
) -> None:
    slot = prompt_slot(alice)
    assert visit(bob).get(url_of(slot)).status_code == 404
    assert visit(alice).get(f"/demonstrations/{slot.code}/write/").status_code == 404


def test_typing_evidence_is_kept_and_nonsense_is_passed_over(alice: Labeler, visit: Visit) -> None:
    slot = prompt_slot(alice)
    client = visit(alice)
    counts = '{"typed": 10, "pastes": 1, "pasted": 300, "longest_paste": 300, "x": 1}'
    client.post(
        url_of(slot), {"text": "One.", "idempotency_key": "a", "typing_counts": counts, "then": "next"}
    )
    assert WrittenPrompt.objects.get().typing == {
        "typed": 10, "pastes": 1, "pasted": 300, "longest_paste": 300,
    }  # fmt: skip
    following = Assignment.objects.leased().get(labeler=alice)
    client.post(url_of(following), {"text": "Two.", "idempotency_key": "b", "typing_counts": "<"})
    assert WrittenPrompt.objects.latest("pk").typing == {}
