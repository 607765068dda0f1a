"""Where the keyboard goes on after a step: on what was done or is to be mended, never nowhere."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from pytest_django.live_server_helper import LiveServer

from labeling.models import Role
from tests.factories import PASSWORD, PromptFactory, UserFactory
from tests.training.factories import demonstration, sft_run, stored_model
from tests.training.talks import notice, trained_pair
from training import tasks
from training.models import Reply, ReplyState, Run, RunState
from training.rules import rounds

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

Visit = Callable[[str], None]


@pytest.fixture(autouse=True)
def _own_store(settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ARTIFACTS_URL = (tmp_path / "artifacts").as_uri()
    monkeypatch.setattr(tasks.execute_run, "apply_async", lambda given, **options: None)
    monkeypatch.setattr(tasks, "_send_turn", lambda turn: None)


@pytest.fixture
def visit(page: Page, live_server: LiveServer) -> Visit:
    """Log in as a researcher, then go wherever is asked."""
    UserFactory.create(email="dana@example.org", name="Dana", role=Role.RESEARCHER)
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("Email").fill("dana@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").press("Enter")
    page.wait_for_url("**/dashboard/")

    def go(path: str) -> None:
        page.goto(live_server.url + path)

    return go


def press(button: Locator) -> None:
    """Press a button as who has no mouse does."""
    button.focus()
    button.press("Enter")


def swap(page: Page) -> None:
    """Wait until a part of the page has been drawn anew, and stands."""
    page.evaluate(
        "() => new Promise(done => addEventListener("
        "'htmx:afterSettle', () => setTimeout(done), {once: true}))"
    )


def test_a_run_that_is_drawn_anew_keeps_the_focus_and_a_button_that_goes_leaves_it_to_its_part(
    page: Page, visit: Visit
) -> None:
    run = sft_run()
    Run.objects.update(state=RunState.RUNNING, phase="training", log_tail="step 1")
    visit(f"/runs/{run.code}/")
    cancel = page.get_by_role("button", name="Cancel")
    cancel.focus()
    for _ in range(2):
        swap(page)
        expect(cancel).to_be_focused()
    page.get_by_text("Last lines of the log").focus()
    swap(page)
    expect(page.get_by_text("Last lines of the log")).to_be_focused()
    cancel.focus()
    Run.objects.update(state=RunState.FINISHED)
    expect(cancel).to_have_count(0)
    expect(page.locator("#live")).to_be_focused()


def test_what_is_done_to_a_run_is_said_where_the_keyboard_is(page: Page, visit: Visit) -> None:
    run = sft_run()
    visit(f"/runs/{run.code}/")
    page.get_by_label("New priority").fill("7")
    press(page.get_by_role("button", name="Change"))
    expect(page.locator(".messages")).to_be_focused()
    expect(page.locator(".messages")).to_contain_text("now has priority 7")
    press(page.get_by_role("button", name="Cancel"))
    expect(page.get_by_text("The run was cancelled.")).to_be_visible()
    expect(page.locator(".messages")).to_be_focused()
    page.keyboard.press("Tab")  # goes on from there, not from the top of the page
    expect(page.locator("main .breadcrumb a")).to_be_focused()
    visit(f"/runs/new/sft/?from={run.code}")
    page.get_by_label("epochs", exact=True).fill("many")
    press(page.get_by_role("button", name="Queue the run"))
    expect(page.get_by_label("epochs", exact=True)).to_be_focused()


def test_a_step_of_a_round_leads_to_what_it_made_and_stays_there(page: Page, visit: Visit) -> None:
    for _ in range(3):
        PromptFactory.create(kind="plain")
    given = rounds.open_round(base_model=stored_model(name="base"))
    visit(f"/rounds/{given.code}/")
    press(page.locator("#start-demonstrate"))
    page.wait_for_url("**#made-by-demonstrate")
    made = page.locator("#made-by-demonstrate")
    expect(made).to_be_focused()
    swap(page)
    expect(made).to_be_focused()
    press(page.get_by_role("button", name="Run the turn by itself"))
    expect(page.get_by_text("Its steps start by themselves now.")).to_be_visible()
    expect(page.locator(".messages")).to_be_focused()


def test_a_step_that_somebody_else_takes_leaves_the_focus_at_the_steps(page: Page, visit: Visit) -> None:
    PromptFactory.create()
    given = rounds.open_round(base_model=stored_model(name="base"))
    visit(f"/rounds/{given.code}/")
    page.locator("#start-demonstrate").focus()
    rounds.start_step(given=given, key="demonstrate")
    expect(page.locator("#start-demonstrate")).to_have_count(0)
    expect(page.locator("#steps")).to_be_focused()


def test_models_datasets_and_evaluations_say_what_was_done(page: Page, visit: Visit) -> None:
    demonstration()
    model = stored_model(name="base")
    visit("/datasets/freeze/")
    press(page.get_by_role("button", name=re.compile("Freeze")))
    page.wait_for_url("**/datasets/*-*/")
    expect(page.locator(".messages")).to_be_focused()
    page.get_by_role("searchbox").fill("early")
    page.get_by_role("searchbox").press("Enter")
    page.wait_for_url("**q=early**")
    expect(page.locator("h1")).to_be_focused()
    visit(f"/models/{model.code}/")
    press(page.get_by_role("button", name="Promote"))
    expect(page.get_by_text("base is promoted")).to_be_visible()
    expect(page.locator(".messages")).to_be_focused()
    visit("/evaluations/benchmarks/import/")
    page.evaluate("document.querySelector('main form').noValidate = true")
    press(page.get_by_role("button", name="Import"))
    expect(page.get_by_label("Questions")).to_be_focused()


def test_the_playground_stays_at_the_prompt_and_shows_the_verdict(page: Page, visit: Visit) -> None:
    notice()
    trained_pair()
    visit("/playground/")
    page.get_by_role("radio", name=re.compile("[Bb]lind")).check()
    page.get_by_role("radio", name="Keep them for training").check()
    page.get_by_label("Prompt", exact=True).fill("Name a bird.")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/playground/*-*-*/")
    prompt = page.get_by_label("Next prompt")
    expect(prompt).to_be_focused()
    page.locator("[data-stop]").focus()
    Reply.objects.update(state=ReplyState.DONE, text="A robin.", tokens=3)
    expect(page.get_by_role("heading", name="Which is better?")).to_be_visible()
    expect(page.locator("#turns")).to_be_focused()
    press(page.get_by_role("button", name=re.compile("A is better")))
    expect(page.locator("main .notice.good")).to_be_focused()
