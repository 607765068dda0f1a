"""A browser without scripts, for each of the cast."""

from collections.abc import Callable

import pytest
from django.test import Client

from labeling.models import Labeler, User

Visit = Callable[[Labeler | User], Client]


@pytest.fixture
def visit() -> Visit:
    """Return a client in which somebody is logged in."""

    def logged_in(who: Labeler | User) -> Client:
        client = Client()
        user = who.user if isinstance(who, Labeler) else who
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return logged_in
