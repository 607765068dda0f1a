"""A ranking from login to receipt: by mouse, by keyboard alone, and after a reload."""

import re

import pytest
from playwright.sync_api import CDPSession, Locator, Page, expect

from labeling.models import Draft, Labeler, PromptJudgement, Ranking, Reading, ResponseReport, TaskKind
from labeling.rules import batches
from tests.browser.conftest import LogIn
from tests.factories import PromptFactory, ResponseFactory, claimed, ranked_batch

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
    expect(page.get_by_role("heading", name="About the prompt")).to_be_visible()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("heading", name="Response A")).to_be_visible()


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
    drag(page, card(page, "A"), tier(page, 3))
    drag(page, card(page, "C"), tier(page, 1))
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


def test_responses_are_read_before_the_prompt_by_keyboard_alone(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    batch = ranked_batch(tasks=1, k=3, reads_first=True)
    secret = batch.tasks.get().given_prompt.text
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    expect(page.locator("form[data-started-drafts]")).to_be_visible()
    expect(page.locator("[data-reading]").first).to_be_focused()
    field = page.get_by_label(re.compile("What does response . seem to say"))
    keys = page.keyboard
    keys.press("Control+Enter")
    expect(field.nth(0)).to_be_focused()
    keys.type("Some tips against sleeping badly")
    keys.press("Control+Enter")
    expect(field.nth(1)).to_be_focused()
    keys.press("Tab")
    keys.press("Space")
    expect(page.get_by_label("Cannot tell what response B says")).to_be_checked()
    expect(page.locator("[data-save-status]")).to_have_text(SAVED)
    page.reload()
    expect(page.locator("form[data-started-drafts]")).to_be_visible()
    expect(field.nth(0)).to_have_value("Some tips against sleeping badly")
    expect(page.get_by_label("Cannot tell what response B says")).to_be_checked()
    keys.press("Control+Enter")
    expect(field.nth(2)).to_be_focused()
    keys.press("Control+Enter")
    error = page.locator("[data-no-words]:visible")
    expect(error).to_have_text(re.compile("Say in a few words"))
    keys.type("A number")
    expect(error).to_have_count(0)
    assert secret not in page.content()
    keys.press("Control+Enter")
    expect(page.get_by_role("paragraph").filter(has_text=secret)).to_be_visible()
    expect(page.get_by_role("heading", name="About the prompt")).to_be_visible()
    expect(page.locator("[data-draft-restored]")).to_be_hidden()
    keys.press("Control+Enter")
    expect(page.locator("#step-1")).to_contain_text("Some tips against sleeping badly")
    rate(page, "642")
    keys.press("2")
    keys.press("Control+Enter")
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    read = [(row.text, row.cannot_tell) for row in Reading.objects.order_by("pk")]
    assert read == [("Some tips against sleeping badly", False), ("", True), ("A number", False)]
    assert ranks_by_letter()["A"][1] == 6


def test_question_opens_the_guideline_where_it_is_explained(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    begin(page, log_in, k=2)
    flag = page.locator('.judge[data-letter="A"] [data-flag="fails_task"]')
    flag.locator("summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    section = page.get_by_role("heading", name="Fails the task")
    expect(section).to_be_in_viewport()
    expect(section).to_be_focused()
    page.keyboard.press("5")  # keys go on working on the response
    expect(page.locator('.judge[data-letter="A"] input[value="5"]')).to_be_checked()


def test_narrow_screen_says_that_a_larger_one_suits_ranking(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    begin(page, log_in, k=2)
    notice = page.get_by_text("This screen is narrow for comparing 2 responses")
    expect(notice).to_be_hidden()
    page.set_viewport_size({"width": 390, "height": 800})
    expect(notice).to_be_visible()


def test_focus_stands_in_the_task_after_a_submission(page: Page, alice: Labeler, log_in: LogIn) -> None:
    ranked_batch(tasks=2, k=2)
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    expect(page.locator("#step-prompt")).to_be_focused()
    page.keyboard.press("Control+Enter")
    rate(page, "62")
    page.keyboard.press("2")
    first = page.url
    page.keyboard.press("Control+Enter")
    page.wait_for_url(lambda url: url != first)
    expect(page.locator("#step-prompt")).to_be_focused()


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


def rate(page: Page, ratings: str) -> None:
    """Rate each response in turn and answer no to its questions; ends at the ranking."""
    for rating in ratings:
        page.keyboard.press(rating)
        page.keyboard.press("0")
        page.keyboard.press("Control+Enter")


def said(page: Page) -> Locator:
    return page.locator("[data-announce]")


def test_of_many_contradictions_the_strongest_are_shown_and_all_are_kept_at_once(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    begin(page, log_in, k=5)
    rate(page, "12467")
    page.keyboard.press("2")  # A beside B; the rest stands in the order of the screen, worst first
    warning = page.locator("[data-contradictions]")
    expect(warning.locator("p")).to_have_count(4)
    expect(warning.locator("p").first).to_contain_text(
        "A stands above E, although you rated it 6 points lower."
    )
    warning.get_by_role("button", name=re.compile("Keep all")).click()
    expect(warning).to_be_hidden()
    expect(said(page)).to_have_text("Kept")


def test_order_against_the_ratings_is_remarked_on_and_kept(page: Page, alice: Labeler, log_in: LogIn) -> None:
    begin(page, log_in, k=2)
    rate(page, "27")
    page.keyboard.press("2")  # A to the second rank, beside B: no contradiction
    warning = page.locator("[data-contradictions]")
    expect(warning).to_be_hidden()
    page.keyboard.press("1")
    expect(warning).to_contain_text("A stands above B, although you rated it 5 points lower.")
    page.keyboard.press("Control+Enter")
    dialog = page.get_by_role("dialog", name="Submit as it stands?")
    expect(dialog).to_contain_text("A stands above B, although you rated it 5 points lower. Keep both?")
    dialog.get_by_role("button", name="Go back").click()
    warning.get_by_role("button", name="Keep both").click()
    expect(warning).to_be_hidden()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    assert ranks_by_letter() == {"A": (1, 2), "B": (2, 7)}


def test_moves_are_undone_and_redone(page: Page, alice: Labeler, log_in: LogIn) -> None:
    begin(page, log_in, k=3)
    rate(page, "444")
    page.keyboard.press("3")
    expect(said(page)).to_have_text("A at rank 3 of 3, tied with C")
    page.keyboard.press("u")
    expect(said(page)).to_have_text("Undone: A at rank 1 of 3")
    page.keyboard.press("Shift+U")
    expect(said(page)).to_have_text("Redone: A at rank 3 of 3, tied with C")
    page.keyboard.press("Control+z")
    page.keyboard.press("u")
    expect(said(page)).to_have_text("Nothing to undo")
    page.get_by_role("button", name="Redo").click()
    expect(tier(page, 3).locator(".rank-card")).to_have_count(2)


def test_card_is_put_between_others_and_they_make_room(page: Page, alice: Labeler, log_in: LogIn) -> None:
    begin(page, log_in, k=4)
    rate(page, "4444")
    card(page, "D").focus()
    page.keyboard.press("Shift+Digit2")
    expect(said(page)).to_have_text("D at rank 2 of 4; the others made room")
    order = page.locator(".tiers .rank-card")
    expect(order).to_have_count(4)
    assert [each.get_attribute("data-letter") for each in order.all()] == ["A", "D", "B", "C"]
    drag(page, card(page, "C"), tier(page, 1), above=True)
    assert [each.get_attribute("data-letter") for each in order.all()] == ["C", "A", "D", "B"]


def drag(page: Page, what: Locator, where: Locator, *, above: bool = False) -> None:
    """Drag a card onto a row, or onto the line above it, with a mouse."""
    expect(page.locator("[data-draggable]")).to_be_visible()  # dragging comes with the step
    start, end = what.locator(".grip").bounding_box(), where.bounding_box()
    assert start is not None
    assert end is not None
    page.mouse.move(start["x"] + 10, start["y"] + 10)
    page.mouse.down()
    page.mouse.move(end["x"] + 30, end["y"] + (3 if above else end["height"] / 2), steps=6)
    page.mouse.up()


def test_ranking_by_touch(page: Page, alice: Labeler, log_in: LogIn) -> None:
    ranked_batch(tasks=1, k=3)
    mine = claimed(alice, TaskKind.COMPARISON)
    log_in("alice@example.org")
    assert page.context.browser is not None
    context = page.context.browser.new_context(has_touch=True, viewport={"width": 390, "height": 844})
    context.add_cookies(page.context.cookies())  # type: ignore[arg-type]
    phone = context.new_page()
    phone.goto(page.url.replace("/work/", f"/comparisons/{mine.code}/rank/"))
    for letter, rating in zip("ABC", "246", strict=True):
        phone.get_by_role("link", name=f"Response {letter}", exact=True).tap()
        section = phone.locator(f'.judge[data-letter="{letter}"]')
        section.locator(".likert-points label", has_text=rating).tap()
        section.get_by_role("button", name="No to the rest").tap()
    phone.get_by_role("link", name="Rank all").tap()
    finger = context.new_cdp_session(phone)
    phone.locator(".tiers").evaluate("each => each.scrollIntoView()")
    for letter, rank in (("A", 3), ("C", 1)):
        start = card(phone, letter).locator(".grip").bounding_box()
        end = tier(phone, rank).locator(".tier-label").bounding_box()
        assert start is not None
        assert end is not None
        points = [(start["x"] + 15, start["y"] + 15), (end["x"] + 15, end["y"] + end["height"] / 2)]
        touch(finger, points)
        expect(tier(phone, rank).locator(f'.rank-card[data-letter="{letter}"]')).to_be_visible()
    phone.get_by_role("button", name="Submit and go on").click()
    expect(phone.get_by_role("heading", name="Recorded")).to_be_visible(timeout=15_000)
    context.close()
    assert ranks_by_letter() == {"A": (3, 2), "B": (2, 4), "C": (1, 6)}


def touch(finger: CDPSession, points: list[tuple[float, float]]) -> None:
    """Put a finger down, move it from point to point, lift it."""
    (x, y), (to_x, to_y) = points
    finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [{"x": x, "y": y}]})
    for part in (0.25, 0.5, 0.75, 1):
        at = {"x": x + (to_x - x) * part, "y": y + (to_y - y) * part}
        finger.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [at]})
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def test_two_responses_stand_side_by_side_with_what_differs_marked(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    begin(page, log_in, k=3)
    rate(page, "444")
    card(page, "B").focus()
    page.keyboard.press("d")
    dialog = page.get_by_role("dialog", name="Side by side")
    expect(dialog.get_by_role("region", name="Response A")).to_contain_text("Response number")
    expect(dialog.locator("[data-pane=left] del")).to_contain_text("only here")  # said, not only colored
    expect(dialog.locator("[data-pane=right] ins")).to_contain_text("only here")
    expect(dialog.get_by_role("status")).to_contain_text("A has 3 words, B has 3 words")
    dialog.get_by_label("Right").select_option(label="C")
    expect(dialog.get_by_role("region", name="Response C")).to_be_visible()
    page.keyboard.press("Escape")
    expect(card(page, "B")).to_be_focused()


def test_response_is_reported_without_leaving_the_screen(page: Page, alice: Labeler, log_in: LogIn) -> None:
    begin(page, log_in, k=2)
    page.keyboard.press("r")
    dialog = page.get_by_role("dialog", name="Report a response")
    dialog.get_by_label("Broken").check()
    dialog.get_by_label("Note").fill("Stops in the middle.")
    page.keyboard.press("Control+Enter")
    expect(dialog.get_by_role("status")).to_contain_text("Response A was reported")
    page.keyboard.press("Escape")
    expect(page.locator(".judge.current .judge-header").get_by_text("reported")).to_be_visible()
    report = ResponseReport.objects.get()
    assert (report.reason, report.note) == ("broken", "Stops in the middle.")
    assert str(report.response.code) == report.assignment.display_order[0]


def test_questions_come_and_go_with_what_is_said_about_the_prompt(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    begin(page, log_in, k=2)
    question = page.locator('.judge.current [data-flag="hallucination"]')
    expect(question).to_be_hidden()
    page.keyboard.press("ArrowLeft")
    page.get_by_role("radio", name="Summarization").check(force=True)
    page.keyboard.press("Tab")
    page.keyboard.press("3")  # closed domain
    page.keyboard.press("Control+Enter")
    expect(question).to_be_visible()
    question.locator("label", has_text="Yes").click()
    rate(page, "65")
    page.keyboard.press("2")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Submit as it stands").click()  # B was not asked about made-up things
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    judgement = PromptJudgement.objects.get()
    assert judgement.category == "summarization"
    assert judgement.flags["closed_domain"] is True
    flags = {place.likert: place.flags for place in Ranking.objects.get().places.all()}
    assert flags[6]["hallucination"] is True
    assert "hallucination" not in flags[5]


def height_of(element: Locator) -> float:
    box = element.bounding_box()
    assert box is not None
    return box["height"]


def test_very_long_response_is_read_in_place_and_in_full(page: Page, alice: Labeler, log_in: LogIn) -> None:
    prompt = PromptFactory.create()
    long = "A long line of words. " * 800 + "THE END"
    responses = [ResponseFactory.create(prompt=prompt, text=text) for text in (long, "Short.")]
    batch = batches.create_batch(name="Long", kind=TaskKind.COMPARISON, k=2)
    batches.add_ranked_task(batch=batch, prompt=prompt, responses=responses)
    batches.open_batch(batch=batch)
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    expect(page.locator("form[data-started-drafts]")).to_be_visible()
    page.get_by_role("link", name="Rank all").click()
    long_card = page.locator(".rank-card", has_text="THE END")
    assert height_of(long_card) < 300
    long_card.focus()
    page.keyboard.press("Space")
    expect(long_card.get_by_role("button", name="Less")).to_have_attribute("aria-expanded", "true")
    assert height_of(long_card) > 1000
    page.keyboard.press("Space")
    page.keyboard.press("f")
    expect(page.get_by_role("dialog").get_by_text("THE END").first).to_be_attached()


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
