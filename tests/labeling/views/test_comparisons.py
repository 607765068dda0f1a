"""Rating and ranking with scripts off: the same form that the islands fill."""

from typing import Any

import pytest
from django.urls import reverse

from labeling.models import (
    Assignment,
    Labeler,
    Policy,
    PromptJudgement,
    Ranking,
    Receipt,
    Response,
    ResponseReport,
    TaskKind,
    User,
)
from labeling.rules import assignments, batches, guidelines
from labeling.rules.comparisons import responses_in_display_order
from tests.factories import PolicyFactory, PromptFactory, ResponseFactory, claimed, ranked_batch
from tests.labeling.views.conftest import Visit

K = 4


@pytest.fixture
def mine(alice: Labeler) -> Assignment:
    ranked_batch(tasks=2, k=K)
    return claimed(alice, TaskKind.COMPARISON)


def url_of(assignment: Assignment) -> str:
    return reverse("comparison-rank", args=[assignment.code])


def answers(assignment: Assignment, **changes: Any) -> dict[str, Any]:
    """Fill the form: the first two share rank 1, ratings fall from 7."""
    body: dict[str, Any] = {
        "idempotency_key": "one",
        "was_touched": "yes",
        "moves": "2",
        "notes": "All in all.",
    }
    for place, response in enumerate(responses_in_display_order(assignment)):
        body[f"likert-{response.code}"] = str(7 - place)
        body[f"rank-{response.code}"] = str(max(1, place))
        body[f"flag-{response.code}-fails_task"] = "yes" if place == 3 else "no"
        body[f"note-{response.code}"] = f"note {place}"
    return body | changes


def test_complete_form_becomes_a_ranking_with_ties_and_leads_to_its_receipt(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    answer = visit(alice).post(url_of(mine), answers(mine))
    receipt = Receipt.objects.get()
    assert answer["Location"] == reverse("receipt-detail", args=[receipt.code])
    ranking = Ranking.objects.get()
    shown = [response.pk for response in responses_in_display_order(mine)]
    places = {place.response_id: place for place in ranking.places.all()}
    assert [places[pk].rank for pk in shown] == [1, 1, 2, 3]
    assert [places[pk].likert for pk in shown] == [7, 6, 5, 4]
    assert [places[pk].flags for pk in shown] == [{"fails_task": False}] * 3 + [{"fails_task": True}]
    assert (ranking.moves, ranking.notes, ranking.was_touched) == (2, "All in all.", True)


@pytest.mark.parametrize("name", ["likert", "rank"])
def test_missing_answer_is_named_by_letter_and_the_rest_is_kept(
    alice: Labeler, mine: Assignment, visit: Visit, name: str
) -> None:
    code = responses_in_display_order(mine)[2].code
    body = answers(mine)
    del body[f"{name}-{code}"]
    answer = visit(alice).post(url_of(mine), body)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert page.count("Rate response C" if name == "likert" else "Give response C a rank") == 1
    assert "note 3</textarea>" in page
    assert not Ranking.objects.exists()


@pytest.mark.parametrize(("name", "value"), [("likert", "8"), ("likert", "x"), ("rank", "0"), ("rank", "5")])
def test_answers_out_of_range_are_refused(
    alice: Labeler, mine: Assignment, visit: Visit, name: str, value: str
) -> None:
    code = responses_in_display_order(mine)[0].code
    assert visit(alice).post(url_of(mine), answers(mine, **{f"{name}-{code}": value})).status_code == 422
    assert not Ranking.objects.exists()


def test_who_wrote_a_response_never_reaches_the_page(alice: Labeler, mine: Assignment, visit: Visit) -> None:
    client = visit(alice)
    page = client.get(url_of(mine)).content.decode()
    page += client.post(url_of(mine), {"idempotency_key": "x"}).content.decode()
    page += client.post(url_of(mine), answers(mine), follow=True).content.decode()
    assert Policy.objects.count() >= K
    for policy in Policy.objects.all():
        assert policy.name not in page
        assert str(policy.code) not in page


def test_letters_follow_the_stored_display_order_not_the_canonical_one(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    mine.display_order = list(reversed(mine.display_order))
    mine.save()
    page = visit(alice).get(url_of(mine)).content.decode()
    positions = [
        page.index(f'data-letter="{letter}" data-code="{code}"')
        for letter, code in zip("ABCD", mine.display_order, strict=True)
    ]
    assert positions == sorted(positions)


def test_draft_with_its_step_is_found_again(alice: Labeler, mine: Assignment, visit: Visit) -> None:
    code = str(responses_in_display_order(mine)[1].code)
    payload = {
        "responses": [{"code": code, "rank": 2, "likert": 6, "flags": {"fails_task": True}, "note": "hm"}],
        "notes": "so far",
        "step": 3,
    }
    assignments.save_draft(assignment=mine, version=0, payload=payload)
    page = visit(alice).get(url_of(mine)).content.decode()
    assert f'name="likert-{code}" value="6" checked' in page
    assert f'name="flag-{code}-fails_task" value="yes" checked' in page
    assert "<option selected>2</option>" in page
    assert 'class="judge current" id="step-3"' in page
    assert "so far" in page


@pytest.mark.parametrize(
    "payload",
    [
        {"responses": 3},
        {"responses": [1, {"code": 5}]},
        {"step": 99},
        {"responses": [{"code": "x", "flags": []}]},
    ],
)
def test_draft_of_another_shape_does_not_break_the_page(
    alice: Labeler, mine: Assignment, visit: Visit, payload: dict[str, Any]
) -> None:
    assignments.save_draft(assignment=mine, version=0, payload=payload)
    assert visit(alice).get(url_of(mine)).status_code == 200


def test_half_a_form_can_be_saved_without_scripts(alice: Labeler, mine: Assignment, visit: Visit) -> None:
    code = str(responses_in_display_order(mine)[0].code)
    client = visit(alice)
    answer = client.post(url_of(mine), {"idempotency_key": "x", f"likert-{code}": "3", "save": "1"})
    assert answer.status_code == 302
    assert f'name="likert-{code}" value="3" checked' in client.get(url_of(mine)).content.decode()


def test_empty_long_and_hostile_responses_are_shown_safely(alice: Labeler, visit: Visit) -> None:
    prompt = PromptFactory.create()
    texts = ["", "word " * 5000, "<script>alert(1)</script><img src=x onerror=alert(1)>"]
    responses = [ResponseFactory.create(prompt=prompt, text=text) for text in texts]
    batch = batches.create_batch(name="Odd", kind=TaskKind.COMPARISON, k=3)
    batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
    batches.open_batch(batch=batch)
    page = visit(alice).get(url_of(claimed(alice, TaskKind.COMPARISON))).content.decode()
    assert page.count('class="empty-response"') == 2  # once alone, once among the cards
    assert "<script>alert" not in page
    assert "<img" not in page
    assert page.count("word word word") > 100


@pytest.mark.parametrize("k", [2, 9])
def test_smallest_and_largest_comparison_are_ranked(alice: Labeler, visit: Visit, k: int) -> None:
    ranked_batch(tasks=1, k=k)
    mine = claimed(alice, TaskKind.COMPARISON)
    body = answers(mine) | {f"likert-{code}": "4" for code in mine.display_order}
    assert visit(alice).post(url_of(mine), body).status_code == 302
    assert Ranking.objects.get().places.count() == k


def test_questions_lead_to_the_section_of_the_guideline_that_explains_them(
    alice: Labeler, mia: User, visit: Visit
) -> None:
    guidelines.publish_guideline(kind="comparison", title="T", body="# T\n\n## Fails the task\n\nSo.", by=mia)
    ranked_batch(tasks=1, k=2)
    guidelines.acknowledge(guideline=guidelines.current_guideline("comparison"), labeler=alice)
    page = visit(alice).get(url_of(claimed(alice, TaskKind.COMPARISON))).content.decode()
    assert page.count('href="#section-fails-the-task"') == 2
    assert page.count('id="section-fails-the-task"') == 1
    assert "#section-overall-quality" not in page


def closed_task(labeler: Labeler, **tags: bool) -> Assignment:
    """Return a comparison of two responses to a prompt with these tags, held by the labeler."""
    prompt = PromptFactory.create(tags=tags)
    batch = batches.create_batch(name="Closed", kind=TaskKind.COMPARISON, k=2)
    policies = PolicyFactory.create_batch(2)
    responses: list[Response] = [ResponseFactory.create(prompt=prompt, policy=policy) for policy in policies]
    batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
    batches.open_batch(batch=batch)
    return claimed(labeler, TaskKind.COMPARISON)


def hallucinated(assignment: Assignment) -> dict[str, str]:
    return {f"flag-{code}-hallucination": "yes" for code in assignment.display_order}


def test_question_stands_on_the_page_with_the_flag_of_the_prompt_that_calls_for_it(
    alice: Labeler, visit: Visit
) -> None:
    page = visit(alice).get(url_of(closed_task(alice, closed_domain=True))).content.decode()
    assert 'data-flag="hallucination" data-when="closed_domain"' in page
    assert "data-tag-closed_domain" in page
    assert "data-tag-other_explicit_constraints" not in page
    assert "only where the prompt is marked “Closed domain”" in page


@pytest.mark.parametrize(
    ("tagged", "said", "is_stored"),
    [
        (True, {}, True),
        (False, {}, False),
        (False, {"about-flag-closed_domain": "yes"}, True),
        (True, {"about-flag-ambiguous": "yes"}, False),
        (True, {"about-none": "yes"}, False),
    ],
)
def test_answer_is_stored_where_the_prompt_calls_for_it_in_the_labelers_own_words(
    alice: Labeler, visit: Visit, tagged: bool, said: dict[str, str], is_stored: bool
) -> None:
    mine = closed_task(alice, closed_domain=tagged)
    body = answers(mine) | hallucinated(mine) | said
    assert visit(alice).post(url_of(mine), body).status_code == 302
    for place in Ranking.objects.get().places.all():
        assert ("hallucination" in place.flags) == is_stored


def test_what_is_said_about_the_prompt_is_stored_and_fills_what_it_lacks(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    said = {"about-category": "rewrite", "about-flag-ambiguous": "yes"}
    assert visit(alice).post(url_of(mine), answers(mine, **said)).status_code == 302
    judgement = PromptJudgement.objects.get()
    assert (judgement.category, judgement.labeler, judgement.form) == ("rewrite", alice, mine.batch.form)
    assert judgement.receipt == Receipt.objects.get()
    assert judgement.flags["ambiguous"] is True
    assert judgement.flags["closed_domain"] is False
    judgement.prompt.refresh_from_db()
    assert judgement.prompt.category == "rewrite"
    assert judgement.prompt.tags["ambiguous"] is True


def test_saying_nothing_about_the_prompt_stores_nothing(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    visit(alice).post(url_of(mine), answers(mine))
    assert not PromptJudgement.objects.exists()


def test_order_against_the_ratings_is_asked_about_once_with_scripts_off(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    client = visit(alice)
    first, *_, last = mine.display_order
    body = answers(mine, **{f"rank-{first}": "4", f"rank-{last}": "1"})
    answer = client.post(url_of(mine), body)
    assert answer.status_code == 422
    assert "D stands above A, although you rated it 3 points lower. Keep both?" in answer.content.decode()
    assert not Ranking.objects.exists()
    assert client.post(url_of(mine), body | {"confirmed": "yes"}).status_code == 302
    assert Ranking.objects.get().places.get(response__code=last).rank == 1


def test_untouched_order_is_asked_about_once_with_scripts_off(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    body = answers(mine, was_touched="", start="shuffled")
    answer = visit(alice).post(url_of(mine), body)
    assert answer.status_code == 422
    assert "You have not moved any response" in answer.content.decode()
    assert visit(alice).post(url_of(mine), body | {"confirmed": "yes"}).status_code == 302
    assert (Ranking.objects.get().was_touched, Ranking.objects.get().start) == (False, "shuffled")


def report_url(assignment: Assignment, response: object) -> str:
    return reverse("response-report", args=[assignment.code, response])


def test_response_is_reported_from_its_page_and_the_report_is_for_staff(
    alice: Labeler, mine: Assignment, visit: Visit
) -> None:
    url = report_url(mine, mine.display_order[1])
    assert "Report response B" in visit(alice).get(url).content.decode()
    answer = visit(alice).post(url, {"reason": "broken", "note": "Ends in the middle."}, follow=True)
    page = answer.content.decode()
    assert "Response B was reported" in page
    assert f'id="reported-{mine.display_order[1]}">reported' in page
    report = ResponseReport.objects.get()
    assert (report.reason, report.note, report.labeler) == ("broken", "Ends in the middle.", alice)
    assert str(report.response.code) == mine.display_order[1]


def test_something_else_needs_words(alice: Labeler, mine: Assignment, visit: Visit) -> None:
    answer = visit(alice).post(report_url(mine, mine.display_order[0]), {"reason": "other"})
    assert answer.status_code == 422
    assert "Say in the note what is wrong" in answer.content.decode()


def test_only_a_response_of_ones_own_task_can_be_reported(
    alice: Labeler, bob: Labeler, mine: Assignment, visit: Visit
) -> None:
    foreign = ResponseFactory.create()
    assert visit(alice).get(report_url(mine, foreign.code)).status_code == 404
    assert visit(bob).get(report_url(mine, mine.display_order[0])).status_code == 404
