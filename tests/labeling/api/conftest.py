"""Clients: somebody's API client, logged in by session unless told otherwise."""

from collections.abc import Callable

import pytest
from django.core.cache import cache
from rest_framework.test import APIClient

from labeling.models import Labeler, User

ClientOf = Callable[[User | Labeler], APIClient]


@pytest.fixture(autouse=True)
def no_old_throttles() -> None:
    cache.clear()


@pytest.fixture
def client_of() -> ClientOf:
    """Return a function that logs somebody in."""

    def log_in(person: User | Labeler) -> APIClient:
        client = APIClient()
        client.force_login(person.user if isinstance(person, Labeler) else person)
        return client

    return log_in
