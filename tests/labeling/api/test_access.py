"""Every endpoint of the labeling side by every role, from the address table itself."""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from django.urls import URLPattern
from knox.models import AuthToken
from rest_framework.test import APIClient

from labeling.api.urls import urlpatterns
from labeling.models import Labeler, User
from tests.factories import PromptFactory, writing_batch
from tests.labeling.api.conftest import ClientOf

LABELERS, STAFF, MANAGERS = {"alice", "hana"}, {"mia", "dana", "olga"}, {"mia", "olga"}
WORKING = LABELERS | {"bob"}
ANYBODY = {"alice", "bob", "hana", "charlie", "mia", "dana", "olga"}
# Who gets past the permissions of each method of each endpoint; everyone else gets 403, a stranger 401.
ALLOWED: dict[str, dict[str, set[str]]] = {
    "api-task-next": {"post": LABELERS},
    "api-assignment": {"get": WORKING},
    "api-assignment-draft": {"put": WORKING},
    "api-assignment-submit": {"post": WORKING},
    "api-assignment-skip": {"post": WORKING},
    "api-assignment-heartbeat": {"post": WORKING},
    "api-prompts": {"get": STAFF},
    "api-prompt": {"get": STAFF},
    "api-batches": {"get": STAFF, "post": STAFF},
    "api-batch": {"get": STAFF},
    "api-batch-tasks": {"post": STAFF},
    "api-batch-open": {"post": STAFF},
    "api-batch-close": {"post": STAFF},
    "api-labelers": {"get": STAFF},
    "api-invitations": {"post": MANAGERS},
    "api-labeler": {"get": STAFF},
    "api-labeler-pause": {"post": MANAGERS},
    "api-labeler-resume": {"post": MANAGERS},
    "api-labeler-qualification": {"put": MANAGERS, "delete": MANAGERS},
    "api-agreement": {"get": STAFF},
    "api-tokens": {"post": ANYBODY, "delete": ANYBODY},
}
METHODS = ("get", "post", "put", "patch", "delete")


def patterns() -> Iterator[URLPattern]:
    for pattern in urlpatterns:
        assert isinstance(pattern, URLPattern)
        yield pattern


def calls() -> Iterator[tuple[str, str, str]]:
    """Yield name, method and address of every method that every endpoint serves."""
    for pattern in patterns():
        address = "/api/v1/" + str(pattern.pattern)
        address = address.replace("<uuid:code>", str(UUID(int=1))).replace("<str:kind>", "comparison")
        for method in METHODS:
            if hasattr(pattern.callback.view_class, method):  # type: ignore[attr-defined]
                yield str(pattern.name), method, address


def test_table_names_every_endpoint_and_method() -> None:
    served: dict[str, set[str]] = {}
    for name, method, _ in calls():
        served.setdefault(name, set()).add(method)
    assert served == {name: set(methods) for name, methods in ALLOWED.items()}


@pytest.mark.parametrize(("name", "method", "address"), list(calls()))
def test_each_role_gets_in_or_is_refused(
    request: pytest.FixtureRequest, client_of: ClientOf, name: str, method: str, address: str
) -> None:
    for person in sorted(ANYBODY):
        user: User | Labeler = request.getfixturevalue(person)
        response = getattr(client_of(user), method)(address, {}, format="json")
        is_in = response.status_code != 403
        assert is_in == (person in ALLOWED[name][method]), (person, response.status_code)
        if not is_in:
            assert response.json()["code"] in ("not_permitted", "not_active")
    stranger = getattr(APIClient(), method)(address, {}, format="json")
    assert stranger.status_code in (401, 403)
    assert set(stranger.json()) == {"code", "message", "fields"}


def test_token_works_like_a_login_and_is_stored_as_a_hash(client_of: ClientOf, mia: User) -> None:
    answer = client_of(mia).post("/api/v1/tokens/")
    assert answer.status_code == 201
    token = answer.json()["token"]
    assert not AuthToken.objects.filter(digest=token).exists()
    program = APIClient(headers={"Authorization": f"Token {token}"})
    assert program.get("/api/v1/batches/").status_code == 200
    assert program.post("/api/v1/tokens/").status_code == 403
    assert client_of(mia).delete("/api/v1/tokens/").status_code == 204
    assert program.get("/api/v1/batches/").status_code == 401


@pytest.mark.parametrize("token", ["", "nonsense", "\xff\xfe", "two words", "%00"])
def test_wrong_token_is_401(db: None, token: str) -> None:
    client = APIClient(headers={"Authorization": f"Token {token}"})
    response = client.get("/api/v1/batches/")
    assert response.status_code == 401
    assert set(response.json()) == {"code", "message", "fields"}


def test_session_calls_need_the_csrf_token(alice: Labeler) -> None:
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(alice.user)
    response = client.post("/api/v1/tasks/next/", {"kind": "comparison"})
    assert response.status_code == 403
    assert response.json()["code"] == "not_permitted"


def test_lists_come_in_keyset_pages(client_of: ClientOf, dana: User) -> None:
    PromptFactory.create_batch(5)
    client = client_of(dana)
    seen: list[str] = []
    address: Any = "/api/v1/prompts/?limit=2"
    while address:
        page = client.get(address).json()
        seen += [prompt["code"] for prompt in page["results"]]
        PromptFactory.create()  # a new row does not shift the pages
        address = page["next"]
    assert len(seen) == len(set(seen)) == 5


def test_lists_cost_the_same_queries_however_long(
    client_of: ClientOf, mia: User, django_assert_max_num_queries: Any
) -> None:
    for _ in range(6):
        writing_batch(tasks=1)
    client = client_of(mia)
    for address in ("batches", "labelers", "prompts"):
        with django_assert_max_num_queries(6):
            assert client.get(f"/api/v1/{address}/").status_code == 200


@pytest.mark.django_db
def test_unknown_endpoint_answers_in_the_one_shape_and_an_unknown_page_with_a_page() -> None:
    answer = APIClient().get("/api/v1/nothing/")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    page = APIClient().get("/nothing/")
    assert page.status_code == 404
    assert page["Content-Type"].startswith("text/html")
