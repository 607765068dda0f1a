"""Receipts: one's own, all of them, nobody else's."""

from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeling.models import Labeler, Receipt, TaskKind, User
from labeling.rules import demonstrations, labelers, revisions
from tests.factories import claimed, qualified_labeler, writing_batch
from tests.labeling.views.conftest import Visit


def write(labeler: Labeler, times: int) -> None:
    for n in range(times):
        mine = claimed(labeler, TaskKind.DEMONSTRATION)
        demonstrations.submit_demonstration(assignment=mine, text=f"Text {n}", idempotency_key=str(mine.code))


def test_history_is_paged_and_costs_the_same_however_long(
    alice: Labeler, visit: Visit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    writing_batch(tasks=27)
    client = visit(alice)
    url = reverse("receipt-list")
    write(alice, 2)
    with django_assert_num_queries(12):
        client.get(url)
    write(alice, 25)
    with django_assert_num_queries(12):
        page = client.get(url).content.decode()
    assert "Page 1 of 2" in page
    assert page.count("/receipts/") == 25
    assert "Page 2 of 2" in client.get(url, {"page": "2"}).content.decode()


def test_a_receipt_that_a_revision_replaced_says_so(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    write(alice, 1)
    first = Receipt.objects.get()
    revisions.reopen_submission(receipt=first)
    demonstrations.submit_demonstration(assignment=first.assignment, text="Better.", idempotency_key="2")
    page = visit(alice).get(reverse("receipt-list")).content.decode()
    assert page.count("Replaced by revision 2") == 1
    assert page.count("Recorded") == 1


def test_receipts_of_others_do_not_exist_for_me(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    other = qualified_labeler()
    write(other, 1)
    receipt = Receipt.objects.get()
    assert visit(alice).get(reverse("receipt-detail", args=[receipt.code])).status_code == 404
    assert b"No receipts yet" in visit(alice).get(reverse("receipt-list")).content


def test_receipt_says_how_many_more_are_waiting(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=3)
    write(alice, 1)
    url = reverse("receipt-detail", args=[Receipt.objects.get().code])
    assert b"2 more are waiting" in visit(alice).get(url).content


def test_paused_labelers_are_offered_no_next_task(alice: Labeler, mia: User, visit: Visit) -> None:
    writing_batch(tasks=2)
    write(alice, 1)
    labelers.pause_labeler(labeler=alice, by=mia, reason="Holidays")
    page = visit(alice).get(reverse("receipt-detail", args=[Receipt.objects.get().code])).content.decode()
    assert "Next task" not in page
    assert "the start page says why" in page
