"""Quality figures for programs: who may, the shape of each section, what is refused."""

import pytest
from rest_framework.test import APIClient

from labeling.models import Labeler, User
from labeling.rules.comparisons import Judgement, record_ranking
from labeling.rules.quality_reports import SECTIONS
from tests.factories import qualified_labeler, ranked_batch


@pytest.fixture
def ranked(alice: Labeler) -> Labeler:
    """Alice and another agree on two tasks of three."""
    other = qualified_labeler()
    for number, task in enumerate(ranked_batch(tasks=3, k=2).tasks.all()):
        codes = [candidate.response.code for candidate in task.candidates.all()]
        for labeler, ranks in ((alice, (1, 2)), (other, (1, 2) if number else (2, 1))):
            judgements = [Judgement(code, rank) for code, rank in zip(codes, ranks, strict=True)]
            record_ranking(task=task, labeler=labeler, judgements=judgements)
    return alice


def client_of(user: User) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.mark.parametrize("section", list(SECTIONS))
def test_every_section_answers_in_one_shape(section: str, ranked: Labeler, dana: User) -> None:
    answer = client_of(dana).get(f"/api/v1/quality/{section}/")
    assert answer.status_code == 200
    assert set(answer.json()) == {"section", "as_of", "newer", "figures"}
    assert answer.json()["figures"]


def test_labelers_and_outsiders_see_none_of_it(ranked: Labeler, charlie: User) -> None:
    addresses = [f"/api/v1/quality/{section}/" for section in SECTIONS]
    for address in (*addresses, f"/api/v1/quality/labelers/{ranked.code}/"):
        assert client_of(ranked.user).get(address).status_code == 403
        assert client_of(charlie).get(address).status_code == 403
        assert APIClient().get(address).status_code in (401, 403)


def test_one_labelers_figures_carry_a_pseudonym_and_no_name(ranked: Labeler, dana: User) -> None:
    figures = client_of(dana).get(f"/api/v1/quality/labelers/{ranked.code}/").json()["figures"]
    assert figures["pseudonym"] == "L-ALICE"
    assert figures["consensus"]["value"] == pytest.approx(2 / 3)
    assert figures["consensus"]["is_thin"]
    assert "Alice" not in str(figures).replace("L-ALICE", "")


def test_what_is_not_there_is_said_in_the_one_shape(dana: User, bob: Labeler) -> None:
    client = client_of(dana)
    for address in ("/api/v1/quality/nothing/", f"/api/v1/quality/labelers/{bob.code}/"):
        answer = client.get(address)
        assert answer.status_code == 404
        assert set(answer.json()) == {"code", "message", "fields"}


def test_agreement_keeps_its_keys_and_says_how_many_people(ranked: Labeler, dana: User) -> None:
    body = client_of(dana).get("/api/v1/agreement/").json()
    assert body["value"] == pytest.approx(2 / 3)
    assert (body["pairs"], body["tasks"], body["labelers"]) == (3, 3, 2)
    assert len(body["bootstrap"]) == 2
