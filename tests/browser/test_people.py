"""From an invitation to the first task, and the screening by keyboard alone."""

import re

import pytest
from playwright.sync_api import Dialog, Page, expect
from pytest_django.live_server_helper import LiveServer

from labeling.models import Labeler, Role, ScreeningAttempt, User
from labeling.rules import labelers, screening, terms
from tests.factories import LabelerFactory, UserFactory, writing_batch
from tests.labeling.screenings import published_test

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def owner(live_server: LiveServer) -> User:
    return UserFactory.create(email="olga@example.org", role=Role.OWNER)


def test_from_the_invitation_to_the_first_task(page: Page, live_server: LiveServer, owner: User) -> None:
    writing_batch(tasks=1)
    terms.publish_terms(by=owner, title="Terms of work", body="You are paid **by the hour**.")
    _, token = labelers.invite(
        by=owner, email="new@example.org", role="labeler", cohort="train", kinds=["demonstration"]
    )
    page.goto(f"{live_server.url}/invitations/{token}/")
    page.get_by_label("Name").fill("Nora New")
    page.get_by_label("Password").fill("a long and winding word")
    page.get_by_role("button", name="Open the account").click()
    expect(page.get_by_role("heading", name="Terms of work")).to_be_visible()
    page.get_by_label("I have read the terms").check()
    page.get_by_role("button", name="Accept").click()
    page.wait_for_url("**/work/")
    page.get_by_role("button", name="Next task").click()
    expect(page.get_by_label("Your response", exact=True)).to_be_visible()
    labeler = Labeler.objects.get(user__email="new@example.org")
    assert labeler.assignments.count() == 1
    assert labeler.user.consents.get().terms.version == 1


def test_screening_by_keyboard_alone(page: Page, live_server: LiveServer, owner: User) -> None:
    published_test(owner)
    user = UserFactory.create(email="bob@example.org")
    bob = LabelerFactory.create(user=user, status=Labeler.Status.SCREENING)
    log_in_to_screening(page, live_server, user)
    page.get_by_role("link", name="Begin").press("Enter")
    attempt = screening.begin_screening(labeler=bob)
    for step in screening.steps(attempt):
        page.wait_for_url(f"**/screening/items/{step.item.code}/")
        if step.item.part == "flagging":
            page.get_by_role("radio", name="No").press("Space")
        elif step.item.part == "ranking":
            groups = page.get_by_role("main").get_by_role("group")
            for n in range(groups.count()):
                groups.nth(n).get_by_role("radio").first.press("Space")
                for _ in range(n):
                    page.keyboard.press("ArrowRight")
        else:
            page.get_by_label("Your answer").press_sequentially("A kind answer.")
            expect(page.locator("[data-save-status]")).to_have_text(re.compile(r"saved \d\d:\d\d:\d\d"))
        page.keyboard.press("Control+Enter")
        if step.item.use == "training":
            expect(page.get_by_role("region", name="How researchers answered")).to_be_focused()
            page.keyboard.press("Control+Enter")
    page.wait_for_url("**/screening/coverage/")
    page.get_by_role("checkbox", name="Politics").press("Space")
    page.keyboard.press("Control+Enter")
    page.get_by_role("button", name="Hand in").press("Enter")
    expect(page.get_by_role("heading", name="Handed in")).to_be_visible()
    attempt = ScreeningAttempt.objects.get()
    assert (attempt.state, attempt.topics) == ("submitted", ["Politics"])
    rankings = [answer.content["ranks"] for answer in attempt.answers.filter(item__part="ranking")]
    assert sorted(len(set(ranks)) for ranks in rankings) == [2, 3]


def test_half_an_answer_is_there_after_a_reload(page: Page, live_server: LiveServer, owner: User) -> None:
    published_test(owner)
    user = UserFactory.create(email="bob@example.org")
    bob = LabelerFactory.create(user=user, status=Labeler.Status.SCREENING)
    last = screening.steps(screening.begin_screening(labeler=bob))[-1].item
    log_in_to_screening(page, live_server, user)
    page.goto(f"{live_server.url}/screening/items/{last.code}/")
    page.get_by_label("Your answer").fill("Half a thought")
    expect(page.locator("[data-save-status]")).to_have_text(re.compile(r"saved \d\d:\d\d:\d\d"))
    page.reload()
    expect(page.get_by_label("Your answer")).to_have_value("Half a thought")


def test_edit_of_an_answer_is_not_called_saved_and_not_left_by_mistake(
    page: Page, live_server: LiveServer, owner: User
) -> None:
    published_test(owner)
    user = UserFactory.create(email="bob@example.org")
    bob = LabelerFactory.create(user=user, status=Labeler.Status.SCREENING)
    attempt = screening.begin_screening(labeler=bob)
    last = screening.steps(attempt)[-1].item
    screening.save_answer(attempt=attempt, item=last, content={"text": "Whole"}, is_complete=True)
    log_in_to_screening(page, live_server, user)
    page.goto(f"{live_server.url}/screening/items/{last.code}/")
    page.get_by_label("Your answer").press("End")
    page.keyboard.type(", and more")
    expect(page.locator("[data-save-status]")).to_contain_text("your answer stands until you press")
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.once("dialog", stay)
    page.get_by_role("link", name="Back", exact=True).click()
    expect(page.get_by_label("Your answer")).to_have_value("Whole, and more")
    assert asked == ["beforeunload"]
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/screening/coverage/")
    assert attempt.answers.get(item=last).content == {"text": "Whole, and more"}


def log_in_to_screening(page: Page, live_server: LiveServer, user: User) -> None:
    page.goto(f"{live_server.url}/accounts/login/")
    page.get_by_label("Email").fill(user.email)
    page.get_by_label("Password").fill("a long and winding word")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/screening/")
