"""Reading the responses before the prompt, with scripts off: the prompt is on no page until it is done."""

from typing import Any

import pytest
from django.urls import reverse

from labeling.models import Assignment, Draft, Labeler, Ranking, Reading, User
from labeling.rules import assignments, batches, readings
from tests.factories import PromptFactory, claimed, qualified_labeler, ranked_batch, ranked_task
from tests.labeling.rules.test_readings import judged, said_of
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db
SECRET = "Why does the sixth violin player never smile?"


@pytest.fixture
def mine(alice: Labeler) -> Assignment:
    """A comparison of three responses in Alice's hand; its prompt is a secret before they are read."""
    batch = batches.create_batch(name="Ranking", kind="comparison", k=3, reads_first=True)
    ranked_task(batch, 3, PromptFactory.create(text=SECRET, tags={"closed_domain": True}))
    batches.open_batch(batch=batch)
    return claimed(alice, "comparison")


def url_of(assignment: Assignment, name: str = "comparison-read") -> str:
    return reverse(name, args=[assignment.code])


def words(assignment: Assignment, *texts: str) -> dict[str, Any]:
    """Fill the form: texts for the first responses, "cannot tell" for the rest."""
    body: dict[str, Any] = {}
    for place, code in enumerate(assignment.display_order):
        body[f"reading-{code}"] = texts[place] if place < len(texts) else ""
        if place >= len(texts):
            body[f"cannot-tell-{code}"] = "on"
    return body


def test_next_task_leads_to_the_responses_and_no_page_has_the_prompt(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    client = visit(alice)
    assert client.post(reverse("task-next", args=["comparison"]))["Location"] == url_of(mine)
    rank = url_of(mine, "comparison-rank")
    assert client.get(rank)["Location"] == url_of(mine)
    assert client.post(rank, {"save": "1", "notes": "x"})["Location"] == url_of(mine)
    assert client.post(rank, {"idempotency_key": "1"})["Location"] == url_of(mine)
    by_htmx = client.post(rank, {"idempotency_key": "1"}, headers={"HX-Request": "true"})
    assert by_htmx["HX-Redirect"] == url_of(mine)
    page = client.get(url_of(mine)).content.decode()
    for response in mine.task.responses.all():
        assert response.text in page
    assert f'action="{url_of(mine)}"' in page
    pages = [
        page,
        client.get(reverse("work")).content.decode(),
        client.get(reverse("assignment-skip", args=[mine.code])).content.decode(),
        client.get(reverse("response-report", args=[mine.code, mine.display_order[0]])).content.decode(),
        client.post(url_of(mine), {}).content.decode(),
        client.post(url_of(mine), {}, headers={"HX-Request": "true"}).content.decode(),
    ]
    for each in pages:
        assert SECRET not in each
        assert str(mine.task.given_prompt.code) not in each
        assert "closed_domain" not in each
    assert not Draft.objects.exists()
    assert not Ranking.objects.exists()


def test_readings_lead_to_the_prompt_and_stand_beside_the_responses(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    client = visit(alice)
    sent = words(mine, "A <b>joke</b>\r\nabout music", "An answer")
    assert client.post(url_of(mine), sent)["Location"] == url_of(mine, "comparison-rank")
    assert sorted(Reading.objects.values_list("text", "cannot_tell")) == [
        ("", True), ("A <b>joke</b>\nabout music", False), ("An answer", False),
    ]  # fmt: skip
    page = client.get(url_of(mine, "comparison-rank")).content.decode()
    assert SECRET in page
    assert "A &lt;b&gt;joke&lt;/b&gt;" in page
    assert page.count("What it seemed to say before the prompt") == 3
    assert client.get(url_of(mine))["Location"] == url_of(mine, "comparison-rank")
    assert client.post(url_of(mine), words(mine, "Other words"))["Location"] == url_of(
        mine, "comparison-rank"
    )
    assert not Reading.objects.filter(text="Other words").exists()


def test_response_without_a_word_is_marked_and_the_rest_is_kept(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    client = visit(alice)
    sent = words(mine, "A joke", "  ", "An answer")
    for headers in ({}, {"HX-Request": "true"}):
        answer = client.post(url_of(mine), sent, headers=headers)
        page = answer.content.decode()
        assert answer.status_code == 422
        assert page.count("Say in a few words what it seems to say, or tick that you cannot tell.</li>") == 1
        assert "A joke" in page
        assert "autofocus" in page.split(f'name="reading-{mine.display_order[1]}"')[1].split(">")[0]
    too_long = client.post(url_of(mine), words(mine, "x" * 2001, "b", "c"))
    assert "at most 2000 characters" in too_long.content.decode()
    assert not Reading.objects.exists()


def test_draft_is_saved_without_scripts_and_filled_in_again(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    client = visit(alice)
    assert client.post(url_of(mine), words(mine, "half a sent") | {"save": "1"})["Location"] == url_of(mine)
    page = client.get(url_of(mine)).content.decode()
    assert "half a sent" in page
    assert page.count(" checked") - page.count('value="rendered" checked') == 2
    Draft.objects.update(payload={"readings": [3, {"code": 4}, {"code": mine.display_order[0], "text": []}]})
    assert client.get(url_of(mine)).status_code == 200
    Draft.objects.update(payload={"readings": "x"})
    assert client.get(url_of(mine)).status_code == 200


def test_task_that_is_over_leads_on(alice: Labeler, mine: Assignment, visit: Visit) -> None:
    client = visit(alice)
    assignments.skip(assignment=mine, reason="unclear")
    assert client.get(url_of(mine))["Location"] == reverse("work")
    assert client.post(url_of(mine), words(mine, "a"))["Location"] == reverse("work")
    assert SECRET not in client.get(url_of(mine, "comparison-rank"), follow=True).content.decode()


def test_task_of_somebody_else_or_without_readings_has_no_such_page(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    other = qualified_labeler()
    assert visit(other).get(url_of(mine)).status_code == 404
    ranked_batch(tasks=1, k=2)
    plain = claimed(other, "comparison")
    assert visit(other).get(url_of(plain)).status_code == 404
    assert visit(other).get(url_of(plain, "comparison-rank")).status_code == 200


def test_receipt_and_staff_show_what_was_read(
    alice: Labeler, mine: Assignment, visit: Visit, dana: User, mia: User
) -> None:
    readings.store_readings(assignment=mine, said=said_of(mine, "A joke", "An answer"))
    rank = {"idempotency_key": "k", "was_touched": "yes", "confirmed": "yes"}
    for judgement in judged(mine):
        rank |= {f"rank-{judgement.code}": str(judgement.rank), f"likert-{judgement.code}": "4"}
    receipt = visit(alice).post(url_of(mine, "comparison-rank"), rank)["Location"]
    page = visit(alice).get(receipt).content.decode()
    assert page.count("What it seemed to say before the prompt") == 3
    assert "A joke" in page
    item = visit(mia).get(reverse("quality-item", args=[mine.task.code])).content.decode()
    assert "“A joke”" in item
    settle = visit(dana).get(reverse("adjudicate", args=[mine.task.code])).content.decode()
    assert "Labeler 1, before the prompt" in " ".join(settle.split())
    assert alice.pseudonym not in settle
