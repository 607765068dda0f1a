"""Public evaluation sets that programs send."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import Settings
from rest_framework.test import APIClient

from labeling.models import AuditEvent, Role
from tests.factories import UserFactory
from tests.training.rules.test_benchmarks import CHOICES
from training.forms import benchmarks
from training.models import Dataset

pytestmark = pytest.mark.django_db
URL = "/api/v1/benchmarks/sets/"


@pytest.fixture
def dana() -> APIClient:
    """A researcher's program."""
    client = APIClient()
    client.force_authenticate(UserFactory.create(role=Role.RESEARCHER))
    return client


def file(rows: list[dict[str, Any]], name: str = "own.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, "\n".join(json.dumps(row) for row in rows).encode())


def test_known_sets_are_listed_with_their_columns(dana: APIClient) -> None:
    found = {row["key"]: row for row in dana.get(URL).json()}
    assert found["drop"]["form"] == "numbers"
    assert "passage" in found["drop"]["columns"]


def test_a_set_is_taken_in_with_its_examples_and_what_was_refused(dana: APIClient) -> None:
    body = {
        "set": "own",
        "form": "choice",
        "name": "Ours",
        "license": "mine",
        "file": file([*CHOICES, {"id": "bad"}]),
        "few_shot": file(CHOICES[:1], "shown.jsonl"),
    }
    made = dana.post(URL, body, format="multipart")
    assert made.status_code == 201, made.content
    assert made.json()["dataset"]["counts"] == {"test": 4, "train": 1}
    assert made.json()["refused"] == 1
    assert "line 5" in made.json()["refusals"][0]
    selection = Dataset.objects.get().manifest["selection"]
    assert (selection["file"], selection["examples"], selection["license"]) == (
        "own.jsonl", "shown.jsonl", "mine",
    )  # fmt: skip
    assert AuditEvent.objects.count() == 1


def test_a_set_sent_twice_is_one_dataset(dana: APIClient) -> None:
    codes = {
        dana.post(URL, {"set": "own", "form": "choice", "file": file(CHOICES)}, format="multipart").json()[
            "dataset"
        ]["code"]
        for _ in range(2)
    }
    assert codes == {str(row.code) for row in Dataset.objects.all()}
    assert len(codes) == 1


def test_what_is_no_set_is_refused_at_its_field(
    dana: APIClient, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    good = {"set": "own", "form": "choice"}
    for body, field in (
        ({**good, "set": "none", "file": file(CHOICES)}, "set"),
        ({**good, "form": "none", "file": file(CHOICES)}, "form"),
        ({"set": "own", "file": file(CHOICES)}, "form"),
        (good, "file"),
        ({**good, "file": file(CHOICES, "own.pdf")}, "file"),
        ({**good, "file": file([{"id": "bad"}])}, "file"),
        ({**good, "file": file(CHOICES), "few_shot": file(CHOICES, "../own.exe")}, "few_shot"),
    ):
        refused = dana.post(URL, body, format="multipart")
        assert (refused.status_code, set(refused.json()["fields"])) == (422, {field}), body
    monkeypatch.setattr(benchmarks, "MOST_BYTES", 10)
    large = dana.post(URL, {**good, "file": file(CHOICES)}, format="multipart")
    assert "import_benchmark" in large.json()["message"]
    spoken = dana.post(URL, good, format="json")
    assert (spoken.status_code, spoken.json()["code"]) == (415, "unsupported_media_type")
    assert not Dataset.objects.exists()
