"""The command that makes a token."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from rest_framework.test import APIClient

from labeling.models import Labeler, User


def test_token_opens_the_interface(mia: User) -> None:
    out = StringIO()
    call_command("create_token", "MIA@example.org", "--json", stdout=out)
    token = json.loads(out.getvalue())["token"]
    client = APIClient(headers={"Authorization": f"Token {token}"})
    assert client.get("/api/v1/batches/").status_code == 200


def test_unknown_and_inactive_accounts_get_none(alice: Labeler) -> None:
    alice.user.is_active = False
    alice.user.save()
    for email in ("nobody@example.org", "alice@example.org"):
        with pytest.raises(CommandError, match="no active account"):
            call_command("create_token", email)
    with pytest.raises(CommandError):
        call_command("create_token", "alice@example.org", "--days", "0")
