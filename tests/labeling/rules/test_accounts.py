"""Accounts: tokens, links for passwords, second factors, sessions."""

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from labeling.errors import Conflict, NotPermitted
from labeling.models import AuditEvent, Labeler, User
from labeling.rules import accounts
from tests.factories import PASSWORD

pytestmark = pytest.mark.django_db
NEW_PASSWORD = "quite another winding word"


def log_in(user: User, password: str = PASSWORD) -> Client:
    client = Client()
    client.post(reverse("account_login"), {"login": user.email, "password": password})
    return client


def give_second_factor(user: User) -> None:
    TOTP.activate(user, generate_totp_secret())


def test_managers_help_labelers_and_owners_help_staff(
    alice: Labeler, mia: User, dana: User, olga: User
) -> None:
    assert accounts.password_link(user=alice.user, by=mia)
    assert AuditEvent.objects.get(action="make_password_link").object_code == str(alice.code)
    for helper in (dana, alice.user):
        with pytest.raises(NotPermitted):
            accounts.password_link(user=alice.user, by=helper)
    with pytest.raises(NotPermitted):
        accounts.password_link(user=dana, by=mia)
    assert accounts.password_link(user=dana, by=olga)
    alice.is_simulated = True
    alice.save()
    with pytest.raises(Conflict):
        accounts.password_link(user=User.objects.get(pk=alice.user_id), by=mia)


def test_password_link_works_once(alice: Labeler, mia: User) -> None:
    uid, _, key = accounts.password_link(user=alice.user, by=mia).partition("-")
    url = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": key})
    client = Client()
    form = client.get(url)["Location"]
    answer = client.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD})
    assert answer.status_code == 302
    assert "_auth_user_id" in log_in(alice.user, NEW_PASSWORD).session
    again = Client().get(url)
    assert again.status_code == 200
    assert b"password1" not in again.content


def test_staff_without_required_factor_get_no_token(settings: Settings, mia: User, alice: Labeler) -> None:
    settings.REQUIRE_TWO_FACTOR = True
    with pytest.raises(NotPermitted, match="second factor"):
        accounts.create_token(user=mia, by=mia)
    assert accounts.create_token(user=alice.user, by=alice.user)
    give_second_factor(mia)
    assert accounts.create_token(user=mia, by=mia)


def test_lost_factor_is_taken_off_by_an_owner_and_sessions_end(mia: User, dana: User, olga: User) -> None:
    client = log_in(mia)
    give_second_factor(mia)
    with pytest.raises(NotPermitted):
        accounts.remove_second_factor(user=mia, by=dana)
    accounts.remove_second_factor(user=mia, by=olga)
    assert client.get(reverse("batch-list")).status_code == 302
    with pytest.raises(Conflict):
        accounts.remove_second_factor(user=mia, by=olga)


def test_closed_account_is_out_at_once(mia: User, olga: User) -> None:
    client = log_in(mia)
    assert client.get(reverse("batch-list")).status_code == 200
    accounts.close_account(user=mia, by=olga)
    assert client.get(reverse("batch-list")).status_code == 302
    assert "_auth_user_id" not in log_in(mia).session
    accounts.open_account(user=mia, by=olga)
    assert "_auth_user_id" in log_in(mia).session
    with pytest.raises(Conflict, match="their own"):
        accounts.close_account(user=olga, by=olga)
