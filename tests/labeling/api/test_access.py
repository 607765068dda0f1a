"""Tokens, sessions and pages of lists; who may call what is tested in tests/test_access_matrix.py."""

from typing import Any

import pytest
from knox.models import AuthToken
from rest_framework.test import APIClient

from labeling.models import Labeler, User
from tests.factories import PromptFactory, writing_batch
from tests.labeling.api.conftest import ClientOf


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
