"""What browsers fetch is compressed, and a compressed page gives no secret away by its size."""

import gzip
import re

import pytest
from django.test import Client

from labeling.models import AuditEvent, Role
from tests.factories import UserFactory

ACCEPTS = {"accept-encoding": "gzip, deflate, br"}
TOKEN = re.compile(rb'name="csrfmiddlewaretoken" value="([^"]+)"')


@pytest.mark.django_db
def test_pages_are_compressed_for_browsers_that_can_read_it(client: Client) -> None:
    plain = client.get("/accounts/login/")
    packed = client.get("/accounts/login/", headers=ACCEPTS)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in packed.headers["Vary"]
    assert int(packed.headers["Content-Length"]) == len(packed.content) < len(plain.content) / 2
    assert b"Log in" in gzip.decompress(packed.content)


@pytest.mark.django_db
def test_neither_the_forms_token_nor_the_size_of_a_page_repeats_itself(client: Client) -> None:
    answers = [client.get("/accounts/login/", headers=ACCEPTS).content for _ in range(8)]
    tokens = [TOKEN.findall(gzip.decompress(answer))[0] for answer in answers]
    assert len(set(tokens)) == len(answers)
    assert len({len(answer) for answer in answers}) > 1


@pytest.mark.django_db
def test_static_files_are_compressed_without_being_collected(client: Client) -> None:
    answer = client.get("/static/css/base.css", headers=ACCEPTS)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.getvalue()) == client.get("/static/css/base.css").getvalue()
    again = client.get(
        "/static/css/base.css", headers={**ACCEPTS, "if-modified-since": answer.headers["Last-Modified"]}
    )
    assert again.status_code == 304
    assert again.getvalue() == b""


@pytest.mark.django_db
def test_streamed_table_arrives_whole(client: Client) -> None:
    owner = UserFactory.create(role=Role.OWNER)
    AuditEvent.objects.bulk_create(
        AuditEvent(actor=owner, action=f"did_{n}", object_type="user", object_code=str(n)) for n in range(500)
    )
    client.force_login(owner)
    packed = client.get("/audit/?format=csv", headers=ACCEPTS)
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.getvalue()).count(b"did_") == 500
