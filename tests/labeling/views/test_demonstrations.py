"""Writing a demonstration with scripts off: the same form that the islands fill."""

import re
from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.models import Assignment, Demonstration, Draft, Labeler, Receipt, TaskKind
from labeling.rules import assignments
from tests.factories import claimed, writing_batch
from tests.labeling.views.conftest import Visit


@pytest.fixture
def mine(alice: Labeler) -> Assignment:
    writing_batch(tasks=2)
    return claimed(alice, TaskKind.DEMONSTRATION)


def url_of(assignment: Assignment) -> str:
    return reverse("demonstration-write", args=[assignment.code])


def test_submitted_text_is_stored_as_typed_and_leads_to_its_receipt(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    text = "  A line.\n\n    indented\n"
    client = visit(alice)
    answer = client.post(url_of(mine), {"text": text, "idempotency_key": "one"})
    receipt = Receipt.objects.get()
    assert answer["Location"] == reverse("receipt-detail", args=[receipt.code])
    assert Demonstration.objects.get().text == text
    page = client.get(answer["Location"]).content.decode()
    assert str(receipt.code) in page
    assert reverse("task-next", args=["demonstration"]) in page


def test_line_ends_are_stored_as_typed_not_as_a_browser_sends_them(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    client = visit(alice)
    client.post(url_of(mine), {"text": "One\r\n\r\ntwo\rthree", "idempotency_key": "one", "save": "1"})
    assert Draft.objects.get().payload["text"] == "One\n\ntwo\rthree"
    client.post(url_of(mine), {"text": "One\r\n\r\ntwo", "idempotency_key": "one"})
    assert Demonstration.objects.get().text == "One\n\ntwo"


def test_form_sent_twice_leaves_one_demonstration_and_one_receipt(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    client = visit(alice)
    body = {"text": "Once.", "idempotency_key": "one"}
    first, second = client.post(url_of(mine), body), client.post(url_of(mine), body)
    assert first["Location"] == second["Location"]
    assert Demonstration.objects.count() == 1


def test_second_form_with_another_key_is_shown_the_first_receipt(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    client = visit(alice)
    first = client.post(url_of(mine), {"text": "Once.", "idempotency_key": "one"})
    second = client.post(url_of(mine), {"text": "Twice.", "idempotency_key": "two"})
    assert second["Location"] == first["Location"]
    assert Demonstration.objects.get().text == "Once."


def test_an_old_page_sent_after_an_undo_comes_back_with_its_words_and_a_new_key(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    client = visit(alice)
    client.post(url_of(mine), {"text": "Once.", "idempotency_key": "one"})
    client.post(reverse("receipt-undo", args=[Receipt.objects.get().code]))
    refused = client.post(url_of(mine), {"text": "Better.", "idempotency_key": "one"})
    page = refused.content.decode()
    assert refused.status_code == 422
    assert "taken back or reopened since" in page
    assert "Better." in page
    (key,) = re.findall(r'name="idempotency_key" value="([^"]+)"', page)
    assert key != "one"
    client.post(url_of(mine), {"text": "Better.", "idempotency_key": key})
    newest = Demonstration.objects.newest().get()
    assert (newest.text, newest.is_surplus) == ("Better.", False)


@pytest.mark.parametrize("text", ["", "   \n "])
def test_empty_response_is_refused_in_words(
    alice: Labeler, mine: Assignment, visit: Visit, text: str
) -> None:
    answer = visit(alice).post(url_of(mine), {"text": text, "idempotency_key": "one"})
    assert answer.status_code == 422
    assert b"The response is empty" in answer.content
    assert not Receipt.objects.exists()


def test_refused_form_comes_back_alone_when_only_a_part_was_asked_for(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    body = {"text": "", "idempotency_key": "one"}
    answer = visit(alice).post(url_of(mine), body, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert answer.content.strip().startswith(b"<form")


def test_draft_is_saved_and_found_again_without_scripts(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    client = visit(alice)
    client.post(url_of(mine), {"text": "Half a thou", "idempotency_key": "one", "save": "1"})
    page = client.get(url_of(mine)).content.decode()
    assert "Half a thou</textarea>" in page
    assert 'data-draft-version="1"' in page


def test_draft_saved_by_program_is_restored_in_the_page(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    assignments.save_draft(assignment=mine, version=0, payload={"text": "from elsewhere"})
    assert b"from elsewhere</textarea>" in visit(alice).get(url_of(mine)).content


def test_page_after_the_lease_says_that_work_is_still_kept(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    Assignment.objects.filter(pk=mine.pk).update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    assignments.reclaim_leases()
    client = visit(alice)
    assert b"You may still finish" in client.get(url_of(mine)).content
    client.post(url_of(mine), {"text": "Late.", "idempotency_key": "one"})
    assert Demonstration.objects.get().text == "Late."


def test_answered_or_skipped_task_is_not_shown_again(alice: Labeler, mine: Assignment, visit: Visit) -> None:
    client = visit(alice)
    receipt_page = client.post(url_of(mine), {"text": "Done.", "idempotency_key": "one"})["Location"]
    assert client.get(url_of(mine))["Location"] == receipt_page
    other = claimed(alice, TaskKind.DEMONSTRATION)
    assignments.skip(assignment=other, reason="unclear")
    assert client.get(url_of(other))["Location"] == reverse("work")


def test_hostile_prompt_is_shown_and_not_obeyed(alice: Labeler, mine: Assignment, visit: Visit) -> None:
    prompt = mine.task.given_prompt
    prompt.text = "<script>alert(1)</script> ![x](https://evil.example/x.png) [y](javascript:alert(1))"
    prompt.save()
    page = visit(alice).get(url_of(mine)).content.decode()
    assert "<script>alert" not in page
    assert "<img" not in page
    assert 'href="javascript:' not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_ranking_page_does_not_open_a_writing_task(alice: Labeler, mine: Assignment, visit: Visit) -> None:
    assert visit(alice).get(reverse("comparison-rank", args=[mine.code])).status_code == 404
