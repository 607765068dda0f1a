"""Each kind of writing by keyboard alone, and the loop from one task to the next."""

import re

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from labeling.models import (
    Assignment,
    Demonstration,
    Draft,
    Labeler,
    PromptKind,
    Receipt,
    Role,
    TaskKind,
    UseCase,
    WrittenPrompt,
)
from labeling.rules import batches, guidelines, written_prompts
from tests.browser.conftest import LogIn
from tests.factories import UserFactory, claimed, writing_batch

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SAVED = re.compile(r"saved \d\d:\d\d:\d\d")


def prompt_batch(kind: str, count: int = 2) -> None:
    batch = batches.create_batch(name="Prompts", kind=TaskKind.PROMPT)
    cases = [UseCase.objects.create(text="A shop for plants")] if kind == PromptKind.USER_BASED else []
    written_prompts.add_prompt_tasks(batch=batch, count=count, prompt_kind=kind, use_cases=cases)
    batches.open_batch(batch=batch)


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until the target has the focus, as somebody without a mouse does."""
    for _ in range(60):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{target} is not reached by Tab")


def begin(page: Page, name: str = "Next task") -> None:
    button = page.get_by_role("button", name=name).first
    tab_to(page, button)
    page.keyboard.press("Enter")
    page.wait_for_url("**/write/")
    expect(page.locator("textarea").first).to_be_focused()


def test_demonstrations_by_keyboard_alone_one_after_the_other(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    writing_batch(tasks=3)
    log_in("alice@example.org")
    begin(page)
    text = page.get_by_label("Your response", exact=True)
    expect(text).to_be_focused()
    page.keyboard.type("First words.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Recorded")).to_be_visible()
    expect(text).to_be_focused()
    expect(text).to_have_value("")
    page.keyboard.type("Second words.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("0 words")).to_be_visible()
    assert list(Demonstration.objects.values_list("text", flat=True)) == ["First words.", "Second words."]


def test_a_submission_is_taken_back_and_revised_by_keyboard(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    writing_batch(tasks=2)
    log_in("alice@example.org")
    begin(page)
    text = page.get_by_label("Your response", exact=True)
    page.keyboard.type("Too soon")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Recorded")).to_be_visible()
    expect(text).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("u")
    expect(text).to_have_value("Too soon")
    expect(text).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type(", mended")
    page.keyboard.press("Control+Enter")
    expect(text).to_have_value("")
    expect(text).to_be_focused()
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    expect(page.get_by_text("You are revising what you submitted")).to_be_visible()
    expect(text).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type(" twice")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    assert Demonstration.objects.newest().get().text == "Too soon, mended twice"
    assert sorted(Receipt.objects.values_list("revision", flat=True)) == [1, 2, 3]


def test_plain_prompt_by_keyboard_alone(page: Page, alice: Labeler, log_in: LogIn) -> None:
    prompt_batch(PromptKind.PLAIN)
    log_in("alice@example.org")
    begin(page)
    expect(page.get_by_label("Your prompt", exact=True)).to_be_focused()
    page.keyboard.type("Name three rivers in **Europe**.")
    expect(page.locator("[data-save-status]")).to_have_text(SAVED)
    tab_to(page, page.get_by_role("tab", name="Write"))
    page.keyboard.press("ArrowRight")
    expect(page.locator("#preview-panel")).to_contain_text("Name three rivers")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Recorded")).to_be_visible()
    written = WrittenPrompt.objects.get()
    assert written.text == "Name three rivers in **Europe**."
    assert written.typing["typed"] == len(written.text)


def test_user_based_prompt_by_keyboard_alone(page: Page, alice: Labeler, log_in: LogIn) -> None:
    prompt_batch(PromptKind.USER_BASED, count=1)
    log_in("alice@example.org")
    begin(page)
    expect(page.get_by_role("group", name="use case", exact=True)).to_be_visible()
    expect(page.get_by_label("Your prompt for this use case")).to_be_focused()
    page.keyboard.type("Which plant likes shade?")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    assert WrittenPrompt.objects.get().use_case == UseCase.objects.get()


def test_few_shot_prompt_by_keyboard_alone(page: Page, alice: Labeler, log_in: LogIn) -> None:
    prompt_batch(PromptKind.FEW_SHOT, count=1)
    log_in("alice@example.org")
    begin(page)
    expect(page.get_by_label("The instruction")).to_be_focused()
    page.keyboard.type("Say whether the food was good.")
    for number, (query, response) in enumerate([("Cold.", "bad"), ("Warm.", "good"), ("Late.", "bad")], 1):
        if number == 3:
            page.keyboard.press("Alt+n")
        else:
            tab_to(page, page.locator(f"[name=query-{number}]"))
        expect(page.locator(f"[name=query-{number}]")).to_be_focused()
        page.keyboard.type(query)
        tab_to(page, page.locator(f"[name=response-{number}]"))
        page.keyboard.type(response)
    page.keyboard.press("Alt+n")
    expect(page.locator("[name=query-4]")).to_be_focused()
    page.keyboard.type("Odd.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("[name=response-4]")).to_be_focused()
    expect(page.get_by_text("Pair 4: response empty.")).to_have_count(1)
    tab_to(page, page.get_by_role("button", name="Take out pair 4"))
    page.keyboard.press("Enter")
    expect(page.locator("[name=query-4]")).to_have_count(0)
    expect(page.locator("[data-save-status]")).to_have_text(SAVED)
    page.reload()
    expect(page.locator("[name=query-3]")).to_have_value("Late.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    assert [pair["response"] for pair in WrittenPrompt.objects.get().pairs] == ["bad", "good", "bad"]
    assert Demonstration.objects.count() == 3


def test_a_refused_submission_is_not_overtaken_by_the_save_before_it(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    prompt_batch(PromptKind.FEW_SHOT, count=1)
    log_in("alice@example.org")
    begin(page)
    held: list[Route] = []
    page.route("**/draft/", lambda route: held.append(route))
    with page.expect_request("**/draft/"):
        page.keyboard.type("Say whether the food was good.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("Please mend")
    with page.expect_request("**/draft/"):
        page.locator("[name=query-1]").press_sequentially("Cold.")
    with page.expect_response("**/draft/"):
        held[0].continue_()  # the save of the form that was replaced lands after the refusal
    page.wait_for_timeout(100)
    expect(page.locator("[data-save-status]")).not_to_have_text(SAVED)
    held[1].continue_()
    expect(page.locator("[data-save-status]")).to_have_text(SAVED)
    expect(page.locator("[data-draft-conflict]")).to_be_hidden()
    assert Draft.objects.get().payload["pairs"][0]["query"] == "Cold."


def test_pasting_is_counted_and_never_in_the_way(page: Page, alice: Labeler, log_in: LogIn) -> None:
    prompt_batch(PromptKind.PLAIN, count=1)
    log_in("alice@example.org")
    begin(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.keyboard.type("Typed. ")
    page.evaluate("navigator.clipboard.writeText('Pasted from elsewhere.')")
    page.keyboard.press("Control+v")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    written = WrittenPrompt.objects.get()
    assert written.text == "Typed. Pasted from elsewhere."
    assert written.typing == {"typed": 7, "pastes": 1, "pasted": 22, "longest_paste": 22}


def test_a_changed_guideline_is_acknowledged_by_keyboard(page: Page, alice: Labeler, log_in: LogIn) -> None:
    manager = UserFactory.create(role=Role.MANAGER)
    guidelines.publish_guideline(kind="demonstration", title="Writing", body="Be clear.", by=manager)
    writing_batch(tasks=1)
    log_in("alice@example.org")
    tab_to(page, page.get_by_role("link", name="Read what changed"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Read the guideline")).to_be_visible()
    page.keyboard.press("Control+Enter")
    begin(page)
    expect(page.get_by_label("Your response", exact=True)).to_be_focused()


def test_a_break_is_recalled_after_the_chosen_time_and_dismissed(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    writing_batch(tasks=1)
    slot = claimed(alice, TaskKind.DEMONSTRATION)
    log_in("alice@example.org")
    page.evaluate(
        "localStorage.setItem('work-stretch', JSON.stringify("
        "{since: Date.now() - 55 * 60000, seen: Date.now() - 1000, dismissed: 0}))"
    )
    page.goto(page.url.replace("/work/", f"/demonstrations/{slot.code}/write/"))
    reminder = page.get_by_text("You have been at work for 55 minutes")
    expect(reminder).to_be_visible()
    page.get_by_role("button", name="Go on", exact=True).click()
    expect(reminder).to_be_hidden()
    page.reload()
    expect(reminder).to_be_hidden()


def test_the_next_task_is_prepared_while_one_is_at_work(page: Page, alice: Labeler, log_in: LogIn) -> None:
    writing_batch(tasks=3)
    log_in("alice@example.org")
    with page.expect_response("**/work/ahead/demonstration/"):
        begin(page)
    assert Assignment.objects.leased().filter(labeler=alice).count() == 2


LINE_THAT_IS_DOWN = """() => {
    const real = window.fetch;
    Object.assign(window, { told: [], isDown: true });
    window.fetch = (url, options) => {
        if (!String(url).includes("/heartbeat/")) return real(url, options);
        window.told.push(JSON.parse(options.body).active_seconds);
        return window.isDown ? Promise.reject(new TypeError("The line is down")) : real(url, options);
    };
}"""


def test_time_at_work_that_could_not_be_told_is_told_later(page: Page, alice: Labeler, log_in: LogIn) -> None:
    writing_batch(tasks=1)
    log_in("alice@example.org")
    page.clock.install()
    begin(page)
    page.evaluate(LINE_THAT_IS_DOWN)
    for _ in range(5):
        page.keyboard.press("ArrowLeft")  # idle after two minutes without a key
        page.clock.run_for(30_000)
    assert page.evaluate("told") == [30, 60, 90, 120, 120]
    page.evaluate("window.isDown = false")
    for seconds in (120, 90, 30):
        page.keyboard.press("ArrowLeft")
        with page.expect_response("**/heartbeat/"):
            page.clock.run_for(30_000)
        assert page.evaluate("told.at(-1)") == seconds
