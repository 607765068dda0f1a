"""Two datasets side by side, for programs."""

import pytest
from rest_framework.test import APIClient

from labeling.models import Role
from tests.factories import UserFactory
from tests.training.factories import demonstration, ranking
from training.models import Dataset
from training.rules import artifacts
from training.rules.datasets import freeze_dataset

pytestmark = pytest.mark.django_db


@pytest.fixture
def dana() -> APIClient:
    """A researcher's program."""
    client = APIClient()
    client.force_authenticate(UserFactory.create(role=Role.RESEARCHER))
    return client


def url(given: Dataset, other: object) -> str:
    return f"/api/v1/datasets/{given.code}/compare/?other={other}"


def test_the_older_one_comes_first_whichever_is_named_first(dana: APIClient) -> None:
    demonstration(text="Drink warm milk.")
    older = freeze_dataset(kind="sft")
    added = demonstration(text="Sleep early.")
    newer = freeze_dataset(kind="sft")
    for address in (url(older, newer.code), url(newer, older.code)):
        body = dana.get(address).json()
        assert (body["older"], body["newer"], body["same"]) == (str(older.code), str(newer.code), 1)
        assert body["added"] == {"total": 1, "by_split": {"train": 1}, "ids": [str(added.code)]}
        assert (body["removed"]["total"], body["are_equal"]) == (0, False)


def test_what_cannot_be_compared_is_refused(dana: APIClient) -> None:
    demonstration()
    sft = freeze_dataset(kind="sft")
    ranking([1, 2])
    comparisons = freeze_dataset(kind="comparisons")
    for other in (sft.code, comparisons.code, "x", "00000000-0000-0000-0000-000000000001"):
        refused = dana.get(url(sft, other))
        assert (refused.status_code, set(refused.json()["fields"])) == (422, {"other"}), other
    demonstration()
    newer = freeze_dataset(kind="sft")
    artifacts.delete(sft.folder)
    lost = dana.get(url(newer, sft.code))
    assert (lost.status_code, lost.json()["code"]) == (404, "not_found")
