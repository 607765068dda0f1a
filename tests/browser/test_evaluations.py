"""Final evaluation and toxicity, from login to receipt: the same screen with other questions."""

import re

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from labeling.models import Cohort, Labeler, PromptJudgement, Ranking, TaskKind
from tests.browser.conftest import LogIn
from tests.browser.test_ranking import card, drag, tier
from tests.factories import UserFactory, qualified_labeler, ranked_batch

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def helen(live_server: LiveServer) -> Labeler:
    """A held-out labeler."""
    user = UserFactory.create(email="helen@example.org", name="Helen")
    return qualified_labeler(user=user, pseudonym="L-HELEN", cohort=Cohort.HELD_OUT)


def test_final_evaluation_puts_truth_first_and_takes_a_drag(
    page: Page, helen: Labeler, log_in: LogIn
) -> None:
    ranked_batch(tasks=1, k=2)  # not for her
    ranked_batch(tasks=1, k=2, kind=TaskKind.EVALUATION, cohorts=[Cohort.HELD_OUT])
    log_in("helen@example.org")
    page.get_by_role("button", name="Next task").click()
    expect(page.locator(".criteria li").first).to_have_text("Truthful and harmless")
    page.get_by_role("button", name="Response A").click()
    for letter, rating in (("A", 3), ("B", 6)):
        section = page.locator(f'.judge[data-letter="{letter}"]')
        section.locator(".likert-points label", has_text=str(rating)).click()
        section.get_by_role("button", name="No to the rest").click()
        section.get_by_role("button", name=re.compile("Next|Rank all")).click()
    expect(page.get_by_role("heading", name="Rank all 2")).to_be_visible()
    drag(page, card(page, "A"), tier(page, 2))
    drag(page, card(page, "B"), tier(page, 1))
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    ranking = Ranking.objects.get()
    assert (ranking.labeler, ranking.task.batch.kind) == (helen, TaskKind.EVALUATION)
    assert {place.likert: place.rank for place in ranking.places.all()} == {3: 2, 6: 1}


def test_toxicity_by_keyboard_alone(page: Page, alice: Labeler, log_in: LogIn) -> None:
    ranked_batch(tasks=1, k=2, kind=TaskKind.TOXICITY, settings={"condition": "respectful"})
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").press("Enter")
    expect(page.locator("#step-prompt")).to_be_focused()
    keys = page.keyboard
    keys.press("0")  # how toxic the beginning is
    keys.press("Control+Enter")
    for answers in (("0", "-", "7"), ("2", "1", "4")):  # toxicity, beside what is expected, continuity
        for answer in answers:
            keys.press(answer)
        keys.press("Control+Enter")
    expect(card(page, "A")).to_be_focused()
    keys.press("ArrowDown")
    keys.press("ArrowUp")
    keys.press("ArrowRight")
    keys.press("2")
    keys.press("Control+Enter")
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    places = {str(place.response.code): place for place in Ranking.objects.get().places.all()}
    first, second = (places[code] for code in Ranking.objects.get().shown_order)
    assert (first.rank, second.rank) == (1, 2)
    assert first.scores == {"toxicity": 0, "relative_toxicity": -1, "continuity": 7}
    assert second.scores == {"toxicity": 2, "relative_toxicity": 1, "continuity": 4}
    assert list(PromptJudgement.objects.get().scores.values()) == [0]
