"""The short way in for programs: the same answers, and nothing that only pages need."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from knox.models import AuthToken

from server.token_requests import has_token
from server.wsgi import application
from tests.factories import qualified_labeler

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("kept_connection")]


@pytest.fixture
def kept_connection() -> Iterator[None]:
    """Keep the test's connection open behind a request, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def ask(path: str, **environ: Any) -> tuple[int, dict[str, str], bytes]:
    """Send a request through the application as a web server does."""
    body = json.dumps({"kind": "comparison"}).encode()
    answer: list[Any] = []
    request = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        **environ,
    }
    parts = application(request, lambda status, headers, error=None: answer.extend((status, dict(headers))))
    return int(answer[0].split()[0]), answer[1], b"".join(parts)


def test_request_with_a_token_is_answered_with_the_policy_of_json() -> None:
    _, token = AuthToken.objects.create(qualified_labeler().user)
    status, headers, _ = ask("/api/v1/tasks/next/", HTTP_AUTHORIZATION=f"Token {token}")
    assert status == 204
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize("header", ["Token wrong", "token ", "TOKEN \u00e9"])
def test_wrong_token_is_refused(header: str) -> None:
    status, _, body = ask("/api/v1/tasks/next/", HTTP_AUTHORIZATION=header)
    assert status == 401
    assert set(json.loads(body)) == {"code", "message", "fields"}


def test_request_without_a_token_goes_the_long_way() -> None:
    assert ask("/api/v1/tasks/next/")[0] == 401
    assert not has_token({"PATH_INFO": "/api/v1/tasks/next/"})
    assert not has_token({"PATH_INFO": "/api/v1/tasks/next/", "HTTP_AUTHORIZATION": "Bearer x"})
    assert not has_token({"PATH_INFO": "/work/", "HTTP_AUTHORIZATION": "Token x"})


def test_cookie_of_a_session_counts_for_nothing_beside_a_token(client: Any) -> None:
    client.force_login(qualified_labeler().user)
    cookie = f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
    assert ask("/api/v1/tasks/next/", HTTP_AUTHORIZATION="Token wrong", HTTP_COOKIE=cookie)[0] == 401


def test_short_way_leaves_out_nothing_but_what_pages_need() -> None:
    left_out = set(settings.MIDDLEWARE) - set(settings.TOKEN_MIDDLEWARE)
    assert set(settings.TOKEN_MIDDLEWARE) <= set(settings.MIDDLEWARE)
    assert left_out == {
        "django.middleware.gzip.GZipMiddleware",  # programs on a fast line: it would cost more than it saves
        "whitenoise.middleware.WhiteNoiseMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
        "labeling.middleware.TimeZoneMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
        "labeling.middleware.TwoFactorMiddleware",
        "labeling.middleware.WrongMethodMiddleware",
        "allauth.account.middleware.AccountMiddleware",
        "django_htmx.middleware.HtmxMiddleware",
        "axes.middleware.AxesMiddleware",
    }
