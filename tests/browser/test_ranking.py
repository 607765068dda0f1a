"""A ranking from login to receipt: by mouse, by keyboard alone, and after a reload."""

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from labeling.models import Draft, Labeler, Ranking, TaskKind
from tests.browser.conftest import LogIn
from tests.factories import claimed, ranked_batch

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SAVED = re.compile(r"saved \d\d:\d\d:\d\d")


def card(page: Page, letter: str) -> Locator:
    return page.locator(f'.rank-card[data-letter="{letter}"]')


def tier(page: Page, rank: int) -> Locator:
    return page.locator(f'.tier[data-rank="{rank}"]')


def begin(page: Page, log_in: LogIn, k: int) -> None:
    ranked_batch(tasks=1, k=k)
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    expect(page.locator("form[data-started-drafts]")).to_be_visible()  # the scripts are at work


def ranks_by_letter() -> dict[str, tuple[int, int | None]]:
    """Return what was stored: rank and rating under the letter this labeler saw."""
    ranking = Ranking.objects.get()
    places = {str(place.response.code): place for place in ranking.places.select_related("response")}
    return {
        letter: (places[code].rank, places[code].likert)
        for letter, code in zip("ABCDEFGHI", ranking.shown_order, strict=False)
    }


def test_ranking_by_mouse_from_login_to_receipt(page: Page, alice: Labeler, log_in: LogIn) -> None:
    begin(page, log_in, k=3)
    for letter, rating in (("A", 2), ("B", 6), ("C", 6)):
        section = page.locator(f'.judge[data-letter="{letter}"]')
        section.locator(".likert-points label", has_text=str(rating)).click()
        section.locator('[data-flag="fails_task"] label', has_text="Yes" if letter == "A" else "No").click()
        section.get_by_role("button", name="No to the rest").click()
        section.get_by_role("button", name=re.compile("Next|Rank all")).click()
    expect(page.get_by_role("heading", name="Rank all 3")).to_be_visible()
    card(page, "A").drag_to(tier(page, 3).locator(".tier-label"))
    card(page, "C").drag_to(tier(page, 1).locator(".tier-label"))
    card(page, "B").get_by_role("button", name="Move B up").click()
    expect(tier(page, 1).locator(".rank-card")).to_have_count(2)
    expect(page.locator("[data-announce]")).to_have_text("B at rank 1 of 3, tied with C")
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    assert ranks_by_letter() == {"A": (3, 2), "B": (1, 6), "C": (1, 6)}
    ranking = Ranking.objects.get()
    assert (ranking.was_touched, ranking.moves) == (True, 3)
    flags = {place.likert: place.flags["fails_task"] for place in ranking.places.all()}
    assert flags == {2: True, 6: False}


def test_ranking_by_keyboard_alone(page: Page, alice: Labeler, log_in: LogIn) -> None:
    begin(page, log_in, k=4)
    keys = page.keyboard
    for rating in "5736":
        keys.press(rating)
        keys.press("0")
        keys.press("Control+Enter")
    expect(card(page, "A")).to_be_focused()
    keys.press("3")  # A to the third rank, beside C
    expect(page.locator("[data-announce]")).to_have_text("A at rank 3 of 4, tied with C")
    keys.press("Control+z")
    expect(tier(page, 1).locator(".rank-card")).to_have_attribute("data-letter", "A")
    keys.press("ArrowDown")  # A beside B
    keys.press("ArrowRight")
    expect(card(page, "B")).to_be_focused()
    keys.press("1")
    keys.press("ArrowRight")
    keys.press("ArrowRight")
    expect(card(page, "C")).to_be_focused()
    keys.press("4")
    expect(card(page, "C")).to_be_focused()
    keys.press("ArrowRight")
    expect(card(page, "D")).to_be_focused()
    keys.press("=")  # already beside the card above: nothing changes
    keys.press("2")
    expect(page.locator("[data-announce]")).to_have_text("D at rank 2 of 4, tied with A")
    keys.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    keys.press("Escape")
    keys.press("Control+Enter")
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    assert ranks_by_letter() == {"A": (2, 5), "B": (1, 7), "C": (4, 3), "D": (2, 6)}


def test_equals_ties_a_card_with_the_one_above(page: Page, alice: Labeler, log_in: LogIn) -> None:
    begin(page, log_in, k=3)
    page.get_by_role("link", name="Rank all").click()
    card(page, "C").focus()
    page.keyboard.press("=")
    expect(page.locator("[data-announce]")).to_have_text("C at rank 2 of 3, tied with B")


def test_untouched_order_and_open_questions_must_be_confirmed(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    begin(page, log_in, k=2)
    page.keyboard.press("6")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("5")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Control+Enter")
    dialog = page.get_by_role("dialog", name="Submit as it stands?")
    expect(dialog).to_contain_text("You have not moved any response")
    expect(dialog).to_contain_text("Questions without an answer: A, B")
    dialog.get_by_role("button", name="Go back").click()
    assert not Ranking.objects.exists()
    page.keyboard.press("Control+Enter")
    dialog.get_by_role("button", name="Submit as it stands").click()
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    assert Ranking.objects.get().was_touched is False


def test_order_against_the_ratings_is_remarked_on_and_allowed(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    begin(page, log_in, k=2)
    for rating in "27":
        page.keyboard.press(rating)
        page.keyboard.press("0")
        page.keyboard.press("ArrowRight")
    page.keyboard.press("2")  # A to the second rank, beside B: no contradiction
    expect(page.locator("[data-contradictions]")).to_be_hidden()
    page.keyboard.press("1")
    expect(page.locator("[data-contradictions]")).to_contain_text(
        "A stands above B, although you rated it 5 points lower."
    )
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    assert ranks_by_letter() == {"A": (1, 2), "B": (2, 7)}


def test_submission_without_a_rating_leads_to_the_response_that_lacks_it(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    begin(page, log_in, k=3)
    page.keyboard.press("4")
    page.get_by_role("link", name="Rank all").click()
    page.get_by_role("button", name="Submit").click()
    expect(page.get_by_role("heading", name="Response B")).to_be_visible()
    expect(page.get_by_role("alert")).to_have_text("Nothing was submitted yet: response B has no rating.")
    page.keyboard.press("5")
    expect(page.get_by_role("alert")).to_be_hidden()
    assert not Ranking.objects.exists()


def test_judgements_and_step_survive_a_reload(page: Page, alice: Labeler, log_in: LogIn) -> None:
    begin(page, log_in, k=3)
    page.keyboard.press("3")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("7")
    page.locator(".judge.current").get_by_label("Note").fill("Very good.")
    page.get_by_role("link", name="Rank all").click()
    card(page, "B").focus()
    page.keyboard.press("1")
    expect(page.locator("[data-save-status]")).to_have_text(SAVED)
    page.reload()
    expect(page.get_by_role("heading", name="Rank all 3")).to_be_visible()
    expect(tier(page, 1).locator(".rank-card")).to_have_count(2)
    expect(card(page, "B").get_by_text("rated 7")).to_be_visible()
    page.get_by_role("link", name="Response B").click()
    expect(page.locator(".judge.current").get_by_label("Note")).to_have_value("Very good.")
    assert Draft.objects.get().payload["was_touched"] is True


def test_page_works_with_scripts_off(page: Page, alice: Labeler, log_in: LogIn) -> None:
    ranked_batch(tasks=1, k=2)
    mine = claimed(alice, TaskKind.COMPARISON)
    log_in("alice@example.org")
    assert page.context.browser is not None
    context = page.context.browser.new_context(java_script_enabled=False)
    context.add_cookies(page.context.cookies())  # type: ignore[arg-type]
    plain = context.new_page()
    plain.goto(page.url.replace("/work/", f"/comparisons/{mine.code}/rank/"))
    for place, code in enumerate(mine.display_order, start=1):
        plain.locator(f'[name="likert-{code}"][value="{7 - place}"]').check()
        plain.locator(f'select[name="rank-{code}"]').select_option(str(place))
    plain.get_by_role("button", name="Submit").click()
    expect(plain.get_by_role("heading", name="Recorded")).to_be_visible()
    context.close()
    assert ranks_by_letter() == {"A": (1, 6), "B": (2, 5)}
