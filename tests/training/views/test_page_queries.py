"""No researcher's page asks the database more than twenty times, whether there is one of a thing or many."""

from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from labeling.models import Role
from labeling.rules.quality_reports import refresh_reports
from tests.factories import UserFactory
from tests.training.pages import PAGES
from tests.training.registry import Registry, fill

pytestmark = pytest.mark.django_db

MOST = 20


@pytest.fixture(params=[1, 25], ids=["one", "many"])
def registry(request: Any) -> Registry:
    """A registry of one round, or of many in a chain."""
    researcher = UserFactory.create(name="Dana", role=Role.RESEARCHER)
    made = fill(by=researcher, rounds=request.param, points=50, models=3 * request.param)
    refresh_reports(force=True)  # as the clock does
    return made


def test_every_page_of_a_researcher_asks_at_most_twenty_times(
    registry: Registry, client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    client.force_login(registry.by)
    asked = {}
    for name, address in PAGES.items():
        url = address(registry)
        with django_assert_max_num_queries(1000) as queries:
            response = client.get(url)
        assert response.status_code == 200 or (name == "run-compare" and len(registry.runs) < 2), name
        asked[name] = len(queries)
    too_many = {name: count for name, count in asked.items() if count > MOST}
    assert not too_many, too_many
