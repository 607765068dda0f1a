"""The account page, the second factor that staff need, and the staff list."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
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


def test_page_that_asks_for_the_password_again_does_not_say_that_time_has_passed(mia: User) -> None:
    client = log_in(mia)  # a moment ago
    page = client.get(reverse("mfa_activate_totp"), follow=True)
    assert page.redirect_chain
    assert b"asks once more that it is you" in page.content
    assert b"time has passed" not in page.content


def test_name_and_time_zone_are_changed_on_the_account_page(alice: Labeler, visit: Visit) -> None:
    client = visit(alice)
    url = reverse("account")
    assert client.post(url, {"name": "Alicia", "time_zone": "Moon/Base"}).status_code == 422
    assert client.post(url, {"name": "Alicia", "time_zone": "Europe/Vienna"}).status_code == 302
    user = User.objects.get(pk=alice.user_id)
    assert (user.name, user.time_zone) == ("Alicia", "Europe/Vienna")


def test_page_for_more_addresses_leads_to_the_account(mia: User, visit: Visit) -> None:
    client = visit(mia)
    for response in (client.get("/accounts/email/"), client.post("/accounts/email/", {"email": "m@x.org"})):
        assert (response.status_code, response["Location"]) == (302, reverse("account"))


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


def test_the_second_factor_page_says_what_is_on_and_what_can_be_done(mia: User) -> None:
    client = log_in(mia)
    page = client.get(reverse("mfa_index")).content.decode()
    assert reverse("mfa_activate_totp") in page
    assert reverse("mfa_generate_recovery_codes") not in page
    TOTP.activate(mia, generate_totp_secret())
    page = client.get(reverse("mfa_index")).content.decode()
    assert reverse("mfa_deactivate_totp") in page
    assert reverse("mfa_generate_recovery_codes") in page


def test_a_login_asks_for_the_second_factor_on_a_page_of_our_own(mia: User) -> None:
    TOTP.activate(mia, generate_totp_secret())
    client = Client()
    answer = client.post(
        reverse("account_login"), {"login": mia.email, "password": PASSWORD}, follow=True
    ).content.decode()
    assert "<h1>Second factor</h1>" in answer
    assert 'form="leave"' in answer


def test_a_forgotten_password_is_asked_about_and_set_anew(mia: User) -> None:
    client = Client()
    asked = client.get(reverse("account_reset_password")).content.decode()
    assert "<h1>New password</h1>" in asked
    assert "Send the link" in asked
    done = client.post(reverse("account_reset_password"), {"email": mia.email}, follow=True)
    assert "Look into your mail" in done.content.decode()
    [letter] = mail.outbox
    path = next(word for word in letter.body.split() if "/password/reset/key/" in word)
    path = "/" + path.split("/", 3)[3]
    choice = client.get(path, follow=True)
    assert "<h1>Choose a password</h1>" in choice.content.decode()
    new = {"password1": "a-better-one-7", "password2": "a-better-one-7"}
    after = client.post(choice.redirect_chain[-1][0], new, follow=True)
    assert after.status_code == 200
    mia.refresh_from_db()
    assert mia.check_password("a-better-one-7")
    closed = client.get(path, follow=True)
    assert "This link is closed" in closed.content.decode()
