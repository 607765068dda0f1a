"""The clock is heard while it ticks, and its silence is said where somebody waits for it."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import Role
from tests.factories import UserFactory
from training.models import Round
from training.rules.clock import KEY, hear_clock, is_clock_silent
from training.tasks import advance_rounds

pytestmark = pytest.mark.django_db

SAID = "The clock is silent"


@pytest.fixture
def dana(client: Client) -> Client:
    cache.clear()
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    return client


def test_a_tick_is_heard_and_forgotten_after_a_while() -> None:
    cache.clear()
    assert is_clock_silent()
    advance_rounds()
    assert not is_clock_silent()
    cache.set(KEY, timezone.now() - timedelta(minutes=4), None)
    assert is_clock_silent()


def test_workers_and_rounds_that_go_on_by_themselves_say_that_the_clock_is_silent(dana: Client) -> None:
    by_hand = Round.objects.create(number=1, closed_at=timezone.now())
    by_itself = Round.objects.create(number=2, settings={"is_automatic": True})
    pages = {row: reverse("round-detail", args=[row.code]) for row in (by_hand, by_itself)}
    assert SAID in dana.get(reverse("worker-list")).content.decode()
    assert SAID in dana.get(pages[by_itself]).content.decode()
    assert SAID not in dana.get(pages[by_hand]).content.decode()
    hear_clock()
    for address in (reverse("worker-list"), pages[by_itself]):
        assert SAID not in dana.get(address).content.decode()
