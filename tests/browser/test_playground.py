"""The playground in a browser: text that grows while it is read, stopping, and a blind vote by keyboard."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from labeling.models import Prompt, Role, User
from tests.browser.axe import violations
from tests.factories import PASSWORD, UserFactory
from tests.training.talks import notice, trained_pair
from training import tasks
from training.models import Conversation, Reply, ReplyState, Turn, Vote, Worker
from training.rules import playground_process
from training.rules.playground_writing import answer_turn, claim_replies, update_claimed

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _own_store(settings: Any, tmp_path: Any) -> None:
    settings.ARTIFACTS_URL = (tmp_path / "artifacts").as_uri()


@pytest.fixture
def dana(live_server: LiveServer) -> User:
    user: User = UserFactory.create(email="dana@example.org", name="Dana", role=Role.RESEARCHER)
    return user


@pytest.fixture
def enter(live_server: LiveServer) -> Callable[[Page], None]:
    def by_form(page: Page) -> None:
        page.goto(f"{live_server.url}/accounts/login/")
        page.get_by_label("Email").fill("dana@example.org")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url("**/dashboard/")

    return by_form


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker: the test says what is written, and when."""
    monkeypatch.setattr(tasks, "_send_turn", lambda turn: None)


@pytest.fixture
def in_a_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The worker's own work, in a thread of the test, with the real process that writes."""
    threads: list[threading.Thread] = []

    def work(turn: Turn) -> None:
        try:
            Conversation.objects.filter(turns=turn).update(seed=1)  # the same reply in every run
            answer_turn(turn.code, worker="thread")
        finally:
            connection.close()

    def send(turn: Turn) -> None:
        threads.append(threading.Thread(target=work, args=(turn,)))
        threads[-1].start()

    monkeypatch.setattr(tasks, "_send_turn", send)
    yield
    for thread in threads:
        thread.join(60)
    playground_process.end_writer()


def start(page: Page, live_server: LiveServer, prompt: str, *policies: str) -> None:
    page.goto(f"{live_server.url}/playground/")
    page.get_by_label("Prompt", exact=True).fill(prompt)
    for name in policies:
        page.get_by_label(name, exact=True).check()
    page.get_by_role("radio", name="Keep them for training").check()
    assert violations(page) == []
    page.get_by_label("Prompt", exact=True).focus()
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/playground/*-*-*/")


def test_replies_grow_in_two_browsers_and_the_next_prompt_waits(
    page: Page,
    browser: Browser,
    live_server: LiveServer,
    dana: User,
    enter: Callable[[Page], None],
    by_hand: None,
) -> None:
    notice()
    trained_pair()
    enter(page)
    start(page, live_server, "Name a bird.", "sft-1", "ppo-1")
    expect(page.locator("[data-note]")).to_contain_text("No worker for the playground is alive")
    expect(page.locator("[data-send]")).to_be_disabled()
    assert violations(page) == []
    assert Prompt.objects.get().text == "Name a bird."
    other = browser.new_context(storage_state=page.context.storage_state()).new_page()
    other.goto(page.url)
    Worker.objects.create(name="playground@here", queues=["playground"])
    claimed = claim_replies(Turn.objects.get(), worker="hand")
    for text in ("A", "A robin, ", "A robin, **red** 🙂 and <b>small</b>"):
        for reply in claimed:
            assert update_claimed(reply, text=f"{text}")
        for each in (page, other):
            expect(each.locator("[data-stream]").first).to_have_text(text.strip())
    for reply in claimed:
        update_claimed(reply, state=ReplyState.DONE)
    for each in (page, other):
        expect(each.locator(".reply strong").first).to_have_text("red")
        expect(each.locator(".reply").first).to_contain_text("<b>small</b>")
        expect(each.locator("[data-send]")).to_be_enabled()
    page.get_by_label("Next prompt").fill("And a tree?")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#turn-2 .asked")).to_contain_text("And a tree?")
    other.get_by_label("Next prompt").fill("And a fish?")
    other.keyboard.press("Control+Enter")
    expect(other.get_by_role("alert")).to_contain_text("sent already")
    expect(other.get_by_label("Next prompt")).to_have_value("And a fish?")
    page.keyboard.press("Escape")
    expect(page.locator("#turn-2 .reply").first).to_contain_text("Stopped")
    expect(page.locator("#turn-2").get_by_role("button", name="Try again").first).to_be_visible()
    assert violations(page) == []
    assert set(Reply.objects.filter(turn__number=2).values_list("state", flat=True)) == {ReplyState.CANCELLED}
    other.context.close()


def test_a_real_reply_then_word_by_word(
    page: Page, live_server: LiveServer, dana: User, enter: Callable[[Page], None], in_a_thread: None
) -> None:
    trained_pair()
    enter(page)
    page.goto(f"{live_server.url}/playground/")
    page.get_by_label("Prompt", exact=True).fill("say red")
    page.get_by_label("Before and after training").check()
    page.get_by_label("Do not keep them").check()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("h1")).to_have_text("sft-1 and ppo-1")
    button = page.get_by_role("button", name="Word by word")
    expect(button).to_be_visible(timeout=90_000)
    shown = page.locator(".reply .view-typed .plain").first.text_content()
    kept = Reply.objects.get(side__position=0).text
    assert shown == kept.replace("\r\n", "\n").replace("\r", "\n")  # as a browser reads every page
    page.locator(".eyebrow").click()
    page.keyboard.press("d")
    expect(page.get_by_role("dialog")).to_be_visible()
    expect(page.locator("[data-pane=left]")).not_to_be_empty()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_a_blind_vote_by_keyboard_shows_the_names(
    page: Page, live_server: LiveServer, dana: User, enter: Callable[[Page], None], by_hand: None
) -> None:
    trained_pair()
    enter(page)
    page.goto(f"{live_server.url}/playground/?mode=blind")
    page.get_by_label("Prompt", exact=True).fill("Name a bird.")
    page.get_by_label("Do not keep them").check()
    page.get_by_role("button", name="Send").click()
    expect(page.locator("h1")).to_have_text("A and B")
    for reply in claim_replies(Turn.objects.get(), worker="hand"):
        update_claimed(reply, text="A robin.", state=ReplyState.DONE, tokens=4)
    expect(page.get_by_role("button", name="B is better")).to_be_visible()
    assert violations(page) == []
    assert "ppo-1" not in page.content()
    assert "sft-1" not in page.content()
    page.locator(".eyebrow").click()
    page.keyboard.press("2")
    expect(page.locator(".notice.good")).to_contain_text("You found B better.")
    expect(page.locator("main")).to_contain_text("ppo-1")
    assert Vote.objects.get().winner == Conversation.objects.get().sides.all()[1]
