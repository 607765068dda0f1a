"""An invitation makes one account, once."""

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Invitation, Labeler, User
from labeling.rules import labelers
from tests.factories import PASSWORD


@pytest.fixture
def token(mia: User) -> str:
    _, secret = labelers.invite(
        by=mia, email="new@example.org", role="labeler", cohort="train", kinds=["demonstration"]
    )
    return secret


def url_of(token: str) -> str:
    return reverse("invitation-accept", args=[token])


def test_accepting_opens_an_account_and_logs_in(token: str) -> None:
    client = Client()
    assert b"new@example.org" in client.get(url_of(token)).content
    answer = client.post(
        url_of(token), {"name": "Nora", "password": PASSWORD, "time_zone": "Europe/Berlin"}, follow=True
    )
    assert answer.redirect_chain[-1][0] == reverse("work")
    labeler = Labeler.objects.get(user__email="new@example.org")
    assert (labeler.user.name, labeler.user.time_zone, labeler.status) == ("Nora", "Europe/Berlin", "active")
    assert labeler.is_qualified("demonstration")


def test_link_works_once(token: str) -> None:
    body = {"name": "Nora", "password": PASSWORD, "time_zone": "UTC"}
    Client().post(url_of(token), body)
    for answer in (Client().get(url_of(token)), Client().post(url_of(token), body)):
        assert answer.status_code == 404
        assert b"This invitation is closed" in answer.content


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"password": "password"}, "too common"),
        ({"password": "short"}, "at least 8"),
        ({"time_zone": "Mars/Olympus"}, "is not a time zone"),
        ({"name": ""}, "This field is required"),
    ],
)
def test_bad_form_is_refused_and_the_link_stays_good(
    token: str, change: dict[str, str], sentence: str
) -> None:
    answer = Client().post(url_of(token), {"name": "Nora", "password": PASSWORD, "time_zone": "UTC"} | change)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert Invitation.objects.open().count() == 1
    assert not User.objects.filter(email="new@example.org").exists()


def test_wrong_link_says_what_to_do(db: None) -> None:
    answer = Client().get(url_of("not-a-secret"))
    assert answer.status_code == 404
    assert b"Ask for a new one" in answer.content
