"""Batches made and reviews given with the keyboard alone; a preview that stores nothing."""

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from labeling.models import AuditEvent, Batch, Draft, Labeler, Review, Role, TaskKind
from labeling.rules import demonstrations
from tests.factories import (
    PASSWORD,
    PromptFactory,
    UserFactory,
    claimed,
    ranked_batch,
    writing_batch,
)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def manager(page: Page, live_server: LiveServer) -> Page:
    """A page on which a manager is logged in."""
    UserFactory.create(email="mia@example.org", name="Mia", role=Role.MANAGER)
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("Email").fill("mia@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/accounts/login/" not in url)  # leaving earlier would undo the login
    return page


def test_batch_is_looked_at_and_made_by_keyboard(manager: Page, live_server: LiveServer) -> None:
    PromptFactory.create_batch(6)
    manager.goto(f"{live_server.url}/batches/new/")
    manager.get_by_label("Name", exact=True).focus()
    manager.keyboard.type("Week 1")
    manager.keyboard.press("Tab")
    manager.keyboard.type("Demonstration")
    expect(manager.get_by_label("K, responses to compare")).to_be_hidden()
    count = manager.get_by_label("How many prompts")
    count.focus()
    manager.keyboard.press("Control+a")
    manager.keyboard.type("5")
    manager.get_by_role("button", name="Count and look").focus()
    manager.keyboard.press("Enter")
    expect(manager.get_by_text("5 tasks, 6 labels: 1 shared by 2 labelers, 4 labeled once.")).to_be_visible()
    assert not Batch.objects.exists()
    manager.get_by_role("button", name="Make the batch").focus()
    manager.keyboard.press("Enter")
    expect(manager.get_by_text("is a draft. Open it when labelers may begin.")).to_be_visible()
    assert Batch.objects.get().tasks.count() == 5


def test_preview_moves_like_the_real_page_and_stores_nothing(manager: Page, live_server: LiveServer) -> None:
    batch = ranked_batch(tasks=1, k=2)
    manager.goto(f"{live_server.url}/batches/{batch.code}/preview/")
    expect(manager.get_by_text("Nothing here is stored.")).to_be_visible()
    manager.locator('[data-go="1"]').click()
    expect(manager.get_by_role("heading", name="Response A")).to_be_visible()
    manager.keyboard.press("5")
    manager.get_by_label("Note", exact=False).first.fill("Typed into a preview")
    manager.wait_for_timeout(2500)  # longer than a draft waits before it is saved
    assert not Draft.objects.exists()
    assert Labeler.objects.filter(pseudonym="L-PREVIEW").count() == 0


def test_running_batch_is_paused_after_a_question_and_resumed(manager: Page, live_server: LiveServer) -> None:
    batch = writing_batch(tasks=2)
    manager.goto(f"{live_server.url}/batches/{batch.code}/manage/")
    manager.locator("summary", has_text="Pause").focus()
    manager.keyboard.press("Enter")
    manager.get_by_role("button", name="Pause").focus()
    manager.keyboard.press("Enter")
    expect(manager.get_by_text("is paused. What labelers hold they may finish.")).to_be_visible()
    manager.get_by_role("button", name="Undo").click()
    expect(manager.get_by_text("Undone.")).to_be_visible()
    batch.refresh_from_db()
    assert batch.status == Batch.Status.OPEN


def test_demonstration_is_graded_and_accepted_by_keyboard(
    manager: Page, alice: Labeler, live_server: LiveServer
) -> None:
    writing_batch(tasks=1)
    mine = claimed(alice, TaskKind.DEMONSTRATION)
    demonstrations.submit_demonstration(assignment=mine, text="Sleep in the dark.", idempotency_key="1")
    manager.goto(f"{live_server.url}/reviews/next/")
    expect(manager.get_by_text("Sleep in the dark.").first).to_be_visible()
    manager.keyboard.press("6")
    manager.keyboard.press("Control+Enter")
    expect(manager.get_by_text("Accepted.")).to_be_visible()
    review = Review.objects.get()
    assert (review.decision, review.grade) == ("accepted", 6)
    assert AuditEvent.objects.filter(action="review_demonstration").exists()
