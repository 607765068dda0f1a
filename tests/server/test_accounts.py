"""Logging in works by e-mail, is slowed down after failures, and nobody makes an account alone."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.test import Client, override_settings

PASSWORD = "a long enough passphrase"


@pytest.fixture
def user(db: None) -> AbstractBaseUser:
    return get_user_model().objects.create_user(email="alice@example.org", password=PASSWORD)


def log_in(client: Client, login: str, password: str, address: str = "10.0.0.1") -> int:
    """Send the login form and return the answer's status: 302 for success."""
    return client.post(
        "/accounts/login/", {"login": login, "password": password}, REMOTE_ADDR=address
    ).status_code


def test_person_logs_in_by_email_in_any_case(client: Client, user: AbstractBaseUser) -> None:
    assert log_in(client, "ALICE@example.org", PASSWORD) == 302
    assert client.session["_auth_user_id"] == str(user.pk)


def test_signup_is_closed(client: Client, db: None) -> None:
    answer = client.post(
        "/accounts/signup/", {"email": "eve@example.org", "password1": PASSWORD, "password2": PASSWORD}
    )

    assert answer.status_code in (200, 302, 403)
    assert not get_user_model().objects.filter(email="eve@example.org").exists()


@override_settings(AXES_FAILURE_LIMIT=3)
def test_name_is_locked_after_failures_from_that_address_only(client: Client, user: AbstractBaseUser) -> None:
    statuses = [log_in(client, "alice@example.org", "wrong") for _ in range(3)]

    assert statuses[:2] == [200, 200]
    assert log_in(client, "Alice@Example.org", PASSWORD) == 429
    assert log_in(client, "alice@example.org", PASSWORD, address="10.0.0.2") == 302


@override_settings(AXES_FAILURE_LIMIT=3)
def test_success_forgets_earlier_failures(client: Client, user: AbstractBaseUser) -> None:
    for _ in range(2):
        log_in(client, "alice@example.org", "wrong")
        log_in(client, "alice@example.org", "wrong")
        assert log_in(client, "alice@example.org", PASSWORD) == 302
        client.logout()


def test_admin_uses_the_same_login_page(client: Client, db: None) -> None:
    answer = client.get("/admin/login/", follow=True)

    assert answer.redirect_chain[-1][0].startswith("/accounts/login/")
