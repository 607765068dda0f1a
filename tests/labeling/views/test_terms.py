"""Terms: published in versions, accepted before new work, on pages and in the API alike."""

import pytest
from django.urls import reverse

from labeling.errors import Conflict
from labeling.models import Consent, Labeler, Terms, User
from labeling.rules import terms
from tests.factories import claimed, writing_batch
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db


def publish(by: User, body: str = "You are paid by the hour.") -> Terms:
    return terms.publish_terms(by=by, title="Terms of work", body=body)


def test_new_terms_come_before_new_work_on_pages_and_api(alice: Labeler, mia: User, visit: Visit) -> None:
    writing_batch(tasks=2)
    publish(mia)
    client = visit(alice)
    assert client.get("/")["Location"] == reverse("terms-accept")
    client.post(reverse("task-next", args=["demonstration"]))
    assert alice.assignments.count() == 0
    assert b"read and accept version 1" in client.get(reverse("work")).content
    answer = client.post("/api/v1/tasks/next/", {"kind": "demonstration"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (403, "terms_not_accepted")
    client.post(reverse("terms-accept"), {"version": "1"})
    assert (
        client.post("/api/v1/tasks/next/", {"kind": "demonstration"}, "application/json").status_code == 200
    )
    assert Consent.objects.get().terms.version == 1


def test_what_is_in_hand_may_be_finished_under_the_old_terms(alice: Labeler, mia: User, visit: Visit) -> None:
    writing_batch(tasks=1)
    held = claimed(alice, "demonstration")
    publish(mia)
    page = reverse("demonstration-write", args=[held.code])
    assert visit(alice).get(page).status_code == 200


def test_version_that_was_read_is_the_one_that_is_accepted(alice: Labeler, mia: User) -> None:
    publish(mia)
    publish(mia, "You are paid by the hour, weekly.")
    with pytest.raises(Conflict, match="version 2 has come out since"):
        terms.accept_terms(user=alice.user, version=1)
    first = terms.accept_terms(user=alice.user, version=2)
    assert terms.accept_terms(user=alice.user, version=2) == first
    assert Terms.objects.pending_for(alice.user) is None


def test_terms_are_published_by_form_and_never_twice_the_same(mia: User, visit: Visit) -> None:
    client = visit(mia)
    data = {"title": "Terms", "body": "## Pay\n\nBy the hour."}
    assert client.post(reverse("terms-publish"), data).status_code == 302
    assert client.post(reverse("terms-publish"), data).status_code == 422
    assert b"By the hour" in client.get(reverse("terms-detail", args=[Terms.objects.get().code])).content
    assert client.get(reverse("terms-list")).status_code == 200


def test_next_leads_only_to_this_site(alice: Labeler, mia: User, visit: Visit) -> None:
    publish(mia)
    answer = visit(alice).post(reverse("terms-accept"), {"version": "1", "next": "https://evil.example/"})
    assert answer["Location"] == reverse("home")
