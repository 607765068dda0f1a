"""The health check tells the truth and every answer carries the security headers."""

import re

import pytest
from django.db import DatabaseError, connection
from django.test import Client

from server.version import __version__


@pytest.mark.django_db
def test_healthy_server_says_so(client: Client) -> None:
    answer = client.get("/healthz")

    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "database": "ok", "version": __version__}


@pytest.mark.django_db
def test_lost_database_is_answered_with_503(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(connection, "cursor", refuse)

    answer = client.get("/healthz")

    assert answer.status_code == 503
    assert answer.json()["database"] == "unreachable"


@pytest.mark.django_db
def test_answers_carry_the_security_headers(client: Client) -> None:
    headers = client.get("/accounts/login/").headers

    assert "'unsafe-inline'" not in headers["Content-Security-Policy"]
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.django_db
def test_inline_scripts_of_a_page_have_the_nonce_of_their_answer(client: Client) -> None:
    answer = client.get("/accounts/login/")
    inline = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", answer.content.decode())

    for tag in inline:
        if 'type="application/json"' not in tag:
            nonce = re.search(r'nonce="([^"]+)"', tag)
            assert nonce is not None, tag
            assert f"'nonce-{nonce[1]}'" in answer.headers["Content-Security-Policy"]


@pytest.mark.django_db
def test_api_describes_itself(client: Client) -> None:
    answer = client.get("/api/v1/schema/", headers={"accept": "application/json"})

    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.")
