"""Prompts, intakes and agreement as staff see them."""

from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeling.models import AuthorCap, Intake, Labeler, Policy, Refusal, TaskKind, User
from labeling.rules import comparisons
from labeling.rules.comparisons import Judgement, responses_in_display_order
from tests.factories import PromptFactory, ResponseFactory, claimed, qualified_labeler, ranked_batch
from tests.labeling.views.conftest import Visit


def test_list_is_narrowed_and_costs_the_same_however_long(
    dana: User, visit: Visit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    PromptFactory.create_batch(2)
    client = visit(dana)
    url = reverse("prompt-list")
    with django_assert_num_queries(6):
        client.get(url)
    PromptFactory.create_batch(60)
    with django_assert_num_queries(6):
        page = client.get(url).content.decode()
    assert "Page 1 of 2" in page
    PromptFactory.create(text="Ein Satz", language="de", held_reason="over_cap")
    found = client.get(url, {"language": "de", "state": "held", "q": "satz"}).content.decode()
    assert "1 prompt<" in found
    assert "over the author’s cap" in found
    assert "No prompt fits" in client.get(url, {"q": "nowhere to be found"}).content.decode()


def test_detail_names_policies_for_staff_and_marks_what_was_found(dana: User, visit: Visit) -> None:
    prompt = PromptFactory.create(text="Mail jo@example.org", has_pii=True, pii_spans=[[5, 19, "email"]])
    response = ResponseFactory.create(prompt=prompt, text="<b>done</b>")
    page = visit(dana).get(reverse("prompt-detail", args=[prompt.code])).content.decode()
    assert response.policy.name in page
    assert "&lt;b&gt;done" in page
    assert '<dd class="mono">jo@example.org</dd>' in page


def test_intake_shows_every_refusal_by_line_and_reason(dana: User, visit: Visit) -> None:
    intake = Intake.objects.create(
        source="api", file_name="may.jsonl", counts={"accepted": 5, "empty": 1}, read=6
    )
    Refusal.objects.create(intake=intake, line=4, reason="empty", detail="the prompt has no text")
    client = visit(dana)
    page = client.get(reverse("intake-detail", args=[intake.code])).content.decode()
    assert "may.jsonl" in page
    assert "the prompt has no text" in page
    assert "may.jsonl" in client.get(reverse("intake-list")).content.decode()


def test_a_cap_is_previewed_then_set(mia: User, alice: Labeler, visit: Visit) -> None:
    PromptFactory.create_batch(3, author_key="u_1")
    client = visit(mia)
    url = reverse("author-cap")
    assert "0 prompts of 0 customers" in client.get(url).content.decode()
    page = client.post(url, {"cap": "1", "preview": "yes"}).content.decode()
    assert "2 prompts in use would be held and 0 held ones released" in page
    assert not AuthorCap.objects.exists()
    page = client.post(url, {"cap": "1"}, follow=True).content.decode()
    assert "2 prompts of 1 customer<" in page
    assert client.post(url, {"cap": "1"}).status_code == 422
    assert client.post(url, {"cap": "-1", "preview": "yes"}).status_code == 422
    assert visit(alice).get(url).status_code == 403


def test_agreement_page_begins_empty_and_then_has_intervals(dana: User, visit: Visit) -> None:
    client = visit(dana)
    assert b"Nothing to compare yet" in client.get(reverse("agreement")).content
    ranked_batch(tasks=3, k=3, overlap=2)
    for labeler in (qualified_labeler(), qualified_labeler()):
        for _ in range(3):
            judge(labeler)
    page = client.get(reverse("agreement"), {"ties": "half"}).content.decode()
    assert "100.0 %" in page
    assert "Training labelers" in page
    assert Policy.objects.exists()


def judge(labeler: Labeler) -> None:
    """Rank the next comparison in canonical order, so that all agree."""
    mine = claimed(labeler, TaskKind.COMPARISON)
    responses = sorted(responses_in_display_order(mine), key=lambda response: response.pk)
    judgements = [Judgement(response.code, rank, 4) for rank, response in enumerate(responses, start=1)]
    comparisons.submit_ranking(assignment=mine, judgements=judgements, idempotency_key=str(mine.code))


def test_erased_prompt_still_has_a_name_to_click_on(mia: User, visit: Visit) -> None:
    prompt = PromptFactory.create(author_key="gone")
    client = visit(mia)
    answer = client.post(
        reverse("author-erase", args=["gone"]), {"reason": "Asked for", "is_meant": "on"}, follow=True
    )
    page = answer.content.decode()
    assert "Erased 1 prompt; held by 0 datasets, seen by 0 models." in page
    assert (
        f'<a class="clamp" href="{reverse("prompt-detail", args=[prompt.code])}" dir="auto">(erased)</a>'
        in page
    )
