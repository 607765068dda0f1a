"""A demonstration from login to receipt, and a draft that survives."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from labeling.errors import Conflict
from labeling.models import Demonstration, Draft, Labeler, Receipt, Skip, TaskKind
from labeling.rules import assignments
from tests.browser.conftest import LogIn
from tests.factories import claimed, writing_batch

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

SAVED = re.compile(r"saved \d\d:\d\d:\d\d")


def refuse(**draft: Any) -> Draft:
    raise Conflict("Not now.")


def test_demonstration_from_login_to_receipt_and_the_next_task(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    writing_batch(tasks=2)
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    text = page.get_by_label("Your response", exact=True)
    text.fill("Keep **cool**.\n\nAnd dark.")
    expect(page.get_by_text("4 words")).to_be_visible()
    page.get_by_role("tab", name="Preview").click()
    expect(page.locator("#preview-panel strong")).to_have_text("cool")
    page.get_by_role("tab", name="Write").click()
    page.get_by_role("button", name="Finish for now").click()
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    expect(page.get_by_text(str(Receipt.objects.get().code))).to_be_visible()
    assert Demonstration.objects.get().text == "Keep **cool**.\n\nAnd dark."
    page.get_by_role("button", name="Next task").click()
    expect(page.get_by_label("Your response", exact=True)).to_have_value("")


def test_draft_survives_a_reload(page: Page, alice: Labeler, log_in: LogIn) -> None:
    writing_batch(tasks=1)
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    page.get_by_label("Your response", exact=True).fill("Half a thought")
    expect(page.locator("[data-save-status]")).to_have_text(SAVED)
    page.reload()
    expect(page.get_by_label("Your response", exact=True)).to_have_value("Half a thought")
    assert Draft.objects.get().payload == {"text": "Half a thought"}


def test_change_that_was_taken_back_at_once_is_not_called_unsaved_nor_restored(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    writing_batch(tasks=1)
    assignments.save_draft(
        assignment=claimed(alice, TaskKind.DEMONSTRATION), version=0, payload={"text": "Half a thought"}
    )
    log_in("alice@example.org")
    page.get_by_role("link", name="Go on with it").click()
    expect(page.locator("form[data-started-drafts]")).to_be_visible()
    text = page.get_by_label("Your response", exact=True)
    text.press("End")
    text.press("x")
    expect(page.locator("[data-save-status]")).to_have_text("not saved yet")
    text.press("Backspace")
    expect(page.locator("[data-save-status]")).to_have_text(SAVED)
    page.reload()
    expect(page.locator("form[data-started-drafts]")).to_be_visible()
    expect(text).to_have_value("Half a thought")
    expect(page.locator("[data-draft-restored]")).to_be_hidden()
    assert Draft.objects.get().version == 1


def test_words_the_server_never_got_are_restored_from_the_browser(
    page: Page, alice: Labeler, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing_batch(tasks=1)
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    page.on("dialog", lambda dialog: dialog.accept())
    monkeypatch.setattr(assignments, "save_draft", refuse)
    page.get_by_label("Your response", exact=True).fill("Typed in a tunnel")
    expect(page.locator("[data-save-status]")).to_contain_text("kept in this browser")
    monkeypatch.undo()
    page.reload()
    expect(page.get_by_label("Your response", exact=True)).to_have_value("Typed in a tunnel")
    expect(page.get_by_text("Restored what this browser had kept")).to_be_visible()
    expect(page.locator("[data-save-status]")).to_have_text(SAVED)


def test_words_typed_while_an_answer_was_lost_are_not_taken_for_a_conflict(
    page: Page, alice: Labeler, log_in: LogIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing_batch(tasks=1)
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    page.on("dialog", lambda dialog: dialog.accept())
    save_draft = assignments.save_draft

    def store_but_lose_the_answer(**draft: Any) -> Draft:
        if not Draft.objects.exists():
            save_draft(**draft)
        return refuse(**draft)

    monkeypatch.setattr(assignments, "save_draft", store_but_lose_the_answer)
    text = page.get_by_label("Your response", exact=True)
    text.fill("One")
    expect(page.locator("[data-save-status]")).to_contain_text("kept in this browser")
    text.fill("One two")
    page.reload()
    expect(text).to_have_value("One two")
    expect(page.get_by_text("A newer draft is on the server")).to_be_hidden()
    monkeypatch.undo()
    text.fill("One two three")
    expect(page.locator("[data-save-status]")).to_have_text(SAVED, timeout=20_000)
    assert Draft.objects.get().payload == {"text": "One two three"}


def test_typing_on_after_a_reload_is_not_taken_for_a_conflict(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    writing_batch(tasks=1)
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    page.on("dialog", lambda dialog: dialog.accept())
    text = page.get_by_label("Your response", exact=True)
    text.fill("Half a thought")
    page.reload()  # the page that is left saves after this one was served
    expect(text).to_have_value("Half a thought")
    text.fill("Half a thought, and the other half")
    expect(page.locator("form[data-draft-version='2']")).to_be_visible()
    expect(page.get_by_text("A newer draft is on the server")).to_be_hidden()
    assert Draft.objects.get().payload == {"text": "Half a thought, and the other half"}


def test_newer_draft_from_elsewhere_is_never_overwritten_unasked(
    page: Page, alice: Labeler, log_in: LogIn
) -> None:
    writing_batch(tasks=1)
    mine = claimed(alice, TaskKind.DEMONSTRATION)
    log_in("alice@example.org")
    page.get_by_role("link", name="Go on with it").click()
    expect(page.get_by_label("Your response", exact=True)).to_be_visible()
    assignments.save_draft(assignment=mine, version=0, payload={"text": "from the other tab"})
    page.get_by_label("Your response", exact=True).fill("from this tab")
    expect(page.get_by_text("A newer draft is on the server")).to_be_visible()
    assert Draft.objects.get().payload == {"text": "from the other tab"}
    page.get_by_role("button", name="Keep what is here").click()
    expect(page.locator("[data-save-status]")).to_have_text(SAVED)
    draft = Draft.objects.get()
    assert (draft.version, draft.payload) == (2, {"text": "from this tab"})


def test_task_is_skipped_with_a_reason_by_keyboard(page: Page, alice: Labeler, log_in: LogIn) -> None:
    writing_batch(tasks=1)
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    page.get_by_label("Your response", exact=True).press("Escape")
    page.keyboard.press("s")
    dialog = page.get_by_role("dialog", name="Skip this task")
    expect(dialog.get_by_role("radio", name="The prompt is unclear")).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(dialog.get_by_text("Choose a reason")).to_be_visible()
    expect(dialog.get_by_role("radio", name="The prompt is unclear")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(dialog.get_by_role("radio", name="Outside my expertise or language")).to_be_checked()
    page.keyboard.press("Tab")
    page.keyboard.type("It is in Welsh.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/work/")
    expect(page.locator(".messages")).to_be_focused()
    skip = Skip.objects.get()
    assert (skip.reason, skip.note) == ("expertise", "It is in Welsh.")


def test_empty_response_is_refused_in_place(page: Page, alice: Labeler, log_in: LogIn) -> None:
    writing_batch(tasks=1)
    log_in("alice@example.org")
    page.get_by_role("button", name="Next task").click()
    page.get_by_label("Your response", exact=True).fill("   ")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".errorlist", has_text="The response is empty")).to_be_visible()
    page.get_by_label("Your response", exact=True).fill("Something after all.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Recorded")).to_be_visible()
    assert Demonstration.objects.get().text == "Something after all."
