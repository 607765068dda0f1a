"""The account page, the second factor that staff need, and the staff list."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse
from pytest_django import Settings
from rest_framework.test import APIClient

from labeling.models import Labeler, User
from tests.factories import PASSWORD
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db


def log_in(user: User) -> Client:
    client = Client()
    client.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    return client


def test_staff_set_up_a_second_factor_before_anything_else(
    settings: Settings, mia: User, alice: Labeler, visit: Visit
) -> None:
    settings.REQUIRE_TWO_FACTOR = True
    client = visit(mia)
    there = f"{reverse('two-factor')}?next=%2Fbatches%2F"
    assert client.get(reverse("batch-list"))["Location"] == there
    assert client.post(reverse("batch-create"), {})["Location"].startswith(reverse("two-factor"))
    assert client.get("/admin/")["Location"].startswith(reverse("two-factor"))
    refused = client.get("/api/v1/batches/")
    assert (refused.status_code, refused.json()["code"]) == (403, "two_factor_required")
    assert client.post("/api/v1/tokens/").status_code == 403
    assert b"authenticator app" in client.get(there).content
    assert visit(alice).get(reverse("work")).status_code == 200
    TOTP.activate(mia, generate_totp_secret())
    assert client.get(reverse("batch-list")).status_code == 200
    assert client.get(there)["Location"] == "/batches/"


def test_pages_of_the_second_factor_stay_open(settings: Settings, mia: User) -> None:
    settings.REQUIRE_TWO_FACTOR = True
    client = log_in(mia)
    page = client.get(reverse("mfa_activate_totp"))
    if page.status_code == 302:  # the password once more
        again = client.post(page["Location"], {"password": PASSWORD})
        page = client.get(again["Location"])
    assert page.status_code == 200
    assert b"data:image/svg" in page.content


def test_name_and_time_zone_are_changed_on_the_account_page(alice: Labeler, visit: Visit) -> None:
    client = visit(alice)
    url = reverse("account")
    assert client.post(url, {"name": "Alicia", "time_zone": "Moon/Base"}).status_code == 422
    assert client.post(url, {"name": "Alicia", "time_zone": "Europe/Vienna"}).status_code == 302
    user = User.objects.get(pk=alice.user_id)
    assert (user.name, user.time_zone) == ("Alicia", "Europe/Vienna")


def test_log_out_everywhere_else_keeps_this_session(alice: Labeler) -> None:
    here, there = log_in(alice.user), log_in(alice.user)
    assert b"here</span>" in here.get(reverse("account")).content
    here.post(reverse("account-log-out"), {"do": "others"})
    assert here.get(reverse("work")).status_code == 200
    assert there.get(reverse("work")).status_code == 302
    here.post(reverse("account-log-out"), {"do": "all"})
    assert here.get(reverse("work")).status_code == 302


def test_token_is_shown_once_and_all_can_be_ended(mia: User, visit: Visit) -> None:
    client = visit(mia)
    page = client.post(reverse("account-tokens"), {"do": "make"})
    token = page.context["token"]
    assert token.encode() in page.content
    assert token.encode() not in client.get(reverse("account")).content
    program = APIClient(headers={"Authorization": f"Token {token}"})
    assert program.get("/api/v1/batches/").status_code == 200
    client.post(reverse("account-tokens"), {"do": "end"})
    assert program.get("/api/v1/batches/").status_code == 401


def test_owner_manages_staff_accounts(mia: User, olga: User, alice: Labeler, visit: Visit) -> None:
    client = visit(olga)
    assert b"mia@example.org" in client.get(reverse("staff-list")).content
    url = reverse("staff-change", args=[mia.pk])
    assert b"/accounts/password/reset/key/" in client.post(url, {"do": "password"}).content
    client.post(url, {"do": "close"})
    mia.refresh_from_db()
    assert not mia.is_active
    assert client.post(reverse("staff-change", args=[alice.user.pk]), {"do": "close"}).status_code == 404


def test_manager_makes_a_labeler_a_link_for_a_new_password(alice: Labeler, mia: User, visit: Visit) -> None:
    url = reverse("password-link", args=[alice.code])
    assert b"/accounts/password/reset/key/" in visit(mia).post(url).content


def test_refusal_page_helps_each_role(alice: Labeler, mia: User, dana: User, visit: Visit) -> None:
    shown = visit(mia).get(reverse("run-list")).content
    assert b"researchers and owners" in shown
    assert b"ask a manager" not in shown
    assert b"managers and owners" in visit(dana).get(reverse("labeler-invite")).content
    assert b"ask the manager who invited you" in visit(alice).get(reverse("batch-list")).content
