"""Who may open which page."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Labeler, User
from tests.factories import PromptFactory, ranked_batch
from tests.labeling.views.conftest import Visit

LABELERS_PAGES = ("work", "receipt-list")
STAFF_PAGES = (
    "batch-list",
    "batch-create",
    "prompt-list",
    "intake-list",
    "agreement",
    "styleguide",
    "labeler-list",
)
MANAGERS_PAGES = ("labeler-invite",)


@pytest.mark.parametrize("route", [*LABELERS_PAGES, *STAFF_PAGES, *MANAGERS_PAGES, "home"])
def test_strangers_are_sent_to_the_login_page(db: None, route: str) -> None:
    url = reverse(route)
    answer = Client().get(url)
    assert answer.status_code == 302
    assert answer["Location"] == f"{reverse('account_login')}?next={url}"


@pytest.mark.parametrize("route", LABELERS_PAGES)
def test_only_people_with_a_labeler_profile_see_labelers_pages(
    alice: Labeler, bob: Labeler, charlie: User, mia: User, visit: Visit, route: str
) -> None:
    assert visit(alice).get(reverse(route)).status_code == 200
    assert visit(bob).get(reverse(route)).status_code == 200
    assert visit(charlie).get(reverse(route)).status_code == 403
    assert visit(mia).get(reverse(route)).status_code == 403


@pytest.mark.parametrize("route", STAFF_PAGES)
def test_only_staff_see_staff_pages(
    alice: Labeler, charlie: User, dana: User, mia: User, olga: User, visit: Visit, route: str
) -> None:
    for outsider in (alice, charlie):
        assert visit(outsider).get(reverse(route)).status_code == 403
    for insider in (dana, mia, olga):
        assert visit(insider).get(reverse(route)).status_code == 200


@pytest.mark.parametrize("route", MANAGERS_PAGES)
def test_researchers_do_not_invite(
    alice: Labeler, dana: User, mia: User, olga: User, visit: Visit, route: str
) -> None:
    for outsider in (alice, dana):
        assert visit(outsider).get(reverse(route)).status_code == 403
    for insider in (mia, olga):
        assert visit(insider).get(reverse(route)).status_code == 200


def test_researchers_know_labelers_by_pseudonym_only(
    alice: Labeler, dana: User, mia: User, visit: Visit
) -> None:
    for address in (reverse("labeler-list"), reverse("labeler-detail", args=[alice.code])):
        shown, hidden = visit(mia).get(address).content, visit(dana).get(address).content
        assert b"L-ALICE" in shown
        assert b"L-ALICE" in hidden
        assert b"Alice" in shown
        assert b"Alice" not in hidden
        assert b"alice@" not in hidden
    found = visit(dana).get(reverse("labeler-list"), {"q": "alice@example.org"}).content
    assert b"L-ALICE" not in found


def test_labelers_can_neither_open_nor_close_batches(alice: Labeler, visit: Visit) -> None:
    batch = ranked_batch(tasks=1)
    for route in ("batch-detail", "batch-open", "batch-close"):
        client = visit(alice)
        call = client.get if route == "batch-detail" else client.post
        assert call(reverse(route, args=[batch.code])).status_code == 403
    batch.refresh_from_db()
    assert batch.status == "open"


def test_labelers_see_neither_prompts_nor_other_labelers(alice: Labeler, bob: Labeler, visit: Visit) -> None:
    prompt = PromptFactory.create()
    assert visit(alice).get(reverse("prompt-detail", args=[prompt.code])).status_code == 403
    assert visit(alice).get(reverse("labeler-detail", args=[bob.code])).status_code == 403


def test_what_changes_something_refuses_a_mere_visit(mia: User, alice: Labeler, visit: Visit) -> None:
    batch = ranked_batch(tasks=1)
    client = visit(mia)
    for url in (
        reverse("batch-open", args=[batch.code]),
        reverse("batch-close", args=[batch.code]),
        reverse("labeler-pause", args=[alice.code]),
        reverse("labeler-qualify", args=[alice.code]),
    ):
        assert client.get(url).status_code == 405


def test_front_door_leads_each_to_their_work(alice: Labeler, mia: User, charlie: User, visit: Visit) -> None:
    assert visit(alice).get("/")["Location"] == reverse("work")
    assert visit(mia).get("/")["Location"] == reverse("batch-list")
    assert b"Nothing is set up" in visit(charlie).get("/").content


def test_an_address_that_leads_nowhere_says_so_in_the_product_frame(alice: Labeler, visit: Visit) -> None:
    answer = visit(alice).get(reverse("receipt-detail", args=[uuid.uuid4()]))
    assert answer.status_code == 404
    assert b"Nothing here" in answer.content


def test_an_address_that_only_takes_forms_answers_a_reader_with_a_page(mia: User, visit: Visit) -> None:
    address = reverse("batch-close", args=[uuid.uuid4()])
    answer = visit(mia).get(address)
    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
    assert b"Nothing to look at here" in answer.content
    assert Client().get(address).status_code == 405  # strangers too: it tells nothing
