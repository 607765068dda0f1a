"""The page of the interface for programs: what this account's programs may ask for, as it is described."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator

from labeling.models import Role, User
from labeling.views.interface import endpoints
from tests.factories import UserFactory, qualified_labeler

pytestmark = pytest.mark.django_db
URL = "/api/v1/"


def seen_by(user: User) -> dict[str, list[tuple[str, str]]]:
    """Return what the page lists for somebody: by noun, each method and address."""
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    groups = client.get(URL).context["groups"]
    return {noun: [(row.method, row.path) for row in rows] for noun, rows in groups}


def test_everything_described_is_listed_with_the_same_words() -> None:
    generator: Any = SchemaGenerator
    paths: dict[str, dict[str, Any]] = generator().get_schema(request=None, public=True)["paths"]
    described = {
        (method.upper(), path): operation["description"].partition("\n")[0]
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert {(each.method, each.path): each.summary for each in endpoints()} == described
    assert all(each.summary.endswith(".") for each in endpoints())


def test_each_role_sees_what_its_programs_may_ask_for() -> None:
    labeler = seen_by(qualified_labeler().user)
    assert ("POST", "/api/v1/tasks/next/") in labeler["tasks"]
    assert not {"runs", "models", "labelers", "batches"} & set(labeler)
    manager = seen_by(UserFactory.create(role=Role.MANAGER))
    assert ("GET", "/api/v1/labelers/") in manager["labelers"]
    assert "runs" not in manager
    researcher = seen_by(UserFactory.create(role=Role.RESEARCHER))
    assert ("POST", "/api/v1/runs/{code}/clone/") in researcher["runs"]
    assert ("POST", "/api/v1/costs/rates/") not in researcher["costs"]
    assert ("GET", "/api/v1/costs/rates/") in researcher["costs"]
    assert set(seen_by(UserFactory.create())) < set(labeler)


def test_strangers_are_led_to_the_login_page(client: Client) -> None:
    answer = client.get(URL)
    assert (answer.status_code, answer["Location"]) == (302, f"/accounts/login/?next={URL}")


def test_it_leads_to_the_description_and_to_tokens_and_back(client: Client) -> None:
    client.force_login(UserFactory.create(), backend="django.contrib.auth.backends.ModelBackend")
    page = client.get(URL).content.decode()
    assert f'href="{reverse("api-schema")}"' in page
    assert f'href="{reverse("account")}#tokens"' in page
    account = client.get(reverse("account")).content.decode()
    assert 'id="tokens"' in account
    assert f'href="{URL}"' in account


def test_what_lies_nowhere_is_still_refused_in_the_one_shape(client: Client) -> None:
    answer = client.get(f"{URL}nothing/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
