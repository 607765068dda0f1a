"""Labelers: listed, invited, paused, qualified."""

import re
from typing import Any

from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeling.models import Invitation, Labeler, User
from tests.factories import LabelerFactory, qualified_labeler
from tests.labeling.screenings import published_test
from tests.labeling.views.conftest import Visit


def test_list_costs_the_same_for_two_labelers_as_for_twelve(
    mia: User, visit: Visit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = visit(mia)
    for _ in range(2):
        qualified_labeler()
    with django_assert_num_queries(7):
        client.get(reverse("labeler-list"))
    for _ in range(10):
        qualified_labeler()
    with django_assert_num_queries(7):
        client.get(reverse("labeler-list"))


def test_list_shows_people_first_and_programs_on_request(mia: User, alice: Labeler, visit: Visit) -> None:
    LabelerFactory.create(pseudonym="SIM-1", is_simulated=True)
    client = visit(mia)
    url = reverse("labeler-list")
    assert "SIM-1" not in client.get(url).content.decode()
    simulated = client.get(url, {"who": "simulated"}).content.decode()
    assert "SIM-1" in simulated
    assert "L-ALICE" not in simulated
    assert "L-ALICE" in client.get(url, {"q": "alice@"}).content.decode()
    assert "No labeler fits" in client.get(url, {"status": "ended"}).content.decode()


def test_invitation_link_is_shown_once_and_opens_the_account(mia: User, visit: Visit) -> None:
    client = visit(mia)
    sent = {"email": "New@example.org", "role": "labeler", "cohort": "train", "kinds": ["comparison"]}
    page = client.post(reverse("labeler-invite"), sent).content.decode()
    link = re.search(r"http://testserver(/invitations/[^\"]+/)", page)
    assert link is not None
    assert Client().get(link[1]).status_code == 200
    listed = client.get(reverse("labeler-list")).content.decode()
    assert "new@example.org" in listed
    assert link[1] not in listed


def test_bad_invitations_are_refused_in_words(mia: User, alice: Labeler, visit: Visit) -> None:
    client = visit(mia)
    url = reverse("labeler-invite")
    for sent, sentence in (
        ({"email": "nobody", "role": "labeler", "cohort": "train"}, "valid email"),
        ({"email": alice.user.email, "role": "labeler", "cohort": "train"}, "has an account already"),
        ({"email": "x@example.org", "role": "owner", "cohort": "train"}, "Select a valid choice"),
        (
            {"email": "x@example.org", "role": "labeler", "cohort": "held_out", "kinds": ["comparison"]},
            "only final evaluations",
        ),
    ):
        answer = client.post(url, sent)
        assert answer.status_code == 422
        assert sentence in answer.content.decode()
    assert not Invitation.objects.exists()


def test_an_invitation_that_leads_to_a_screening_says_where_there_is_no_test_yet(
    mia: User, visit: Visit
) -> None:
    client, url = visit(mia), reverse("labeler-invite")
    sent: dict[str, Any] = {"email": "new@example.org", "role": "labeler", "cohort": "train"}
    assert "no screening test is published" in client.post(url, sent).content.decode()
    sent = {**sent, "email": "other@example.org", "kinds": ["comparison"]}
    assert "no screening test" not in client.post(url, sent).content.decode()
    published_test(mia)
    sent = {"email": "third@example.org", "role": "labeler", "cohort": "train"}
    assert "no screening test" not in client.post(url, sent).content.decode()


def test_owner_may_invite_staff(olga: User, visit: Visit) -> None:
    sent = {"email": "chief@example.org", "role": "manager", "cohort": "train"}
    assert visit(olga).post(reverse("labeler-invite"), sent).status_code == 200
    assert Invitation.objects.get().role == "manager"


def test_revoked_link_no_longer_works(mia: User, visit: Visit) -> None:
    client = visit(mia)
    client.post(reverse("labeler-invite"), {"email": "x@example.org", "role": "labeler", "cohort": "train"})
    invitation = Invitation.objects.get()
    client.post(reverse("invitation-revoke", args=[invitation.code]))
    assert not Invitation.objects.open().exists()


def test_pausing_needs_a_reason_and_resuming_ends_it(mia: User, alice: Labeler, visit: Visit) -> None:
    client = visit(mia)
    url = reverse("labeler-pause", args=[alice.code])
    assert client.post(url, {"reason": ""}).status_code == 422
    client.post(url, {"reason": "Holidays"})
    alice.refresh_from_db()
    assert (alice.status, alice.status_reason) == ("paused", "Holidays")
    page = client.post(url, {"reason": "Back"}, follow=True).content.decode()
    alice.refresh_from_db()
    assert alice.status == "active"
    assert "Pause labeler" in page


def test_qualifications_are_granted_and_revoked(mia: User, bob: Labeler, visit: Visit) -> None:
    client = visit(mia)
    url = reverse("labeler-qualify", args=[bob.code])
    client.post(url, {"kind": "comparison", "do": "grant"})
    assert bob.is_qualified("comparison")
    client.post(url, {"kind": "comparison", "do": "revoke"})
    assert not bob.is_qualified("comparison")
    answer = client.post(url, {"kind": "flying", "do": "grant"}, follow=True)
    assert b"is not one of" in answer.content


def test_list_is_sorted_and_paged_without_losing_or_doubling_anybody(mia: User, visit: Visit) -> None:
    LabelerFactory.create_batch(120, vendor="Scale")
    client = visit(mia)
    seen: list[str] = []
    address = f"{reverse('labeler-list')}?sort=-created_at&vendor=scale"
    while address:
        page = client.get(address).context["page"]
        seen += [row.pseudonym for row in page.rows]
        address = reverse("labeler-list") + page.next if page.next else ""
        back = page.previous
    assert len(seen) == len(set(seen)) == 120
    assert seen == sorted(seen, reverse=True)
    before = client.get(reverse("labeler-list") + back).context["page"]
    assert [row.pseudonym for row in before.rows] == seen[50:100]
    assert client.get(f"{reverse('labeler-list')}?sort=-submitted&after=nonsense").status_code == 200
    assert client.get(f"{reverse('labeler-list')}?sort=pseudonym&after=W3siYSI6MX0sMV0=").status_code == 200


def test_vendor_and_status_are_changed_by_form(mia: User, alice: Labeler, visit: Visit) -> None:
    client = visit(mia)
    url = reverse("labeler-change", args=[alice.code])
    assert client.post(url, {"vendor": "Upwork", "cohort": "nobody"}).status_code == 422
    assert client.post(url, {"vendor": "Upwork", "cohort": "train"}).status_code == 302
    steps = reverse("labeler-pause", args=[alice.code])
    for do, status in (("pause", "paused"), ("resume", "active"), ("end", "ended"), ("reinstate", "active")):
        client.post(steps, {"do": do, "reason": "Because."})
        alice.refresh_from_db()
        assert (alice.status, alice.vendor) == (status, "Upwork")
