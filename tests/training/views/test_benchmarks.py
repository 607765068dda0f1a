"""The pages and the interface of public evaluation sets."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from pyarrow import parquet
from pytest_django import DjangoAssertNumQueries, Settings

from labeling.models import Role
from tests.factories import UserFactory
from tests.training.factories import stored_model
from tests.training.harness_folder import CAPITALS, write_tasks
from tests.training.rules.test_benchmarks import CHOICES, measured, own
from training import tasks
from training.models import Dataset, Model, ModelKind, Run
from training.rules.run_execution import execute_run

pytestmark = pytest.mark.django_db(transaction=True)

Play = Callable[[Mapping[str, Any]], None]
ORDER = {
    "few_shot": "0",
    "examples_by": "question",
    "format": "plain",
    "instruction": "none",
    "max_answer_tokens": "16",
    "max_items": "0",
}


@pytest.fixture
def dana(client: Client) -> Client:
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    return client


@pytest.fixture(autouse=True)
def _no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks.execute_run, "apply_async", lambda given, **options: None)


def file(rows: list[dict[str, Any]], name: str = "own.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, "\n".join(json.dumps(row) for row in rows).encode())


def test_a_set_is_imported_as_the_hub_has_it_in_parquet(dana: Client) -> None:
    column = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(CHOICES), column)
    given = SimpleUploadedFile("validation-00000.parquet", column.getvalue())
    answer = dana.post(reverse("benchmark-import"), {"set": "own", "form": "choice", "file": given})
    assert answer.status_code == 302, answer.content.decode()
    dataset = Dataset.objects.get()
    assert dataset.counts["test"] == len(CHOICES)
    assert dataset.manifest["selection"]["file"] == "validation-00000.parquet"


def test_one_refused_line_is_counted_in_the_singular(dana: Client) -> None:
    given = file([*CHOICES[:1], {"id": "bad"}])
    answer = dana.post(
        reverse("benchmark-import"), {"set": "own", "form": "choice", "file": given}, follow=True
    )
    assert "has 1 question. 1 line was refused: " in answer.content.decode()


def test_a_set_is_imported_and_its_runs_are_queued_from_the_browser(dana: Client) -> None:
    wanted = {"set": "own", "form": "choice", "file": file(CHOICES), "license": "mine"}
    answer = dana.post(reverse("benchmark-import"), wanted, follow=True)
    assert "has 4 questions" in answer.content.decode()
    dataset = Dataset.objects.get()
    policy = stored_model(name="base")
    order = {**ORDER, "models": [str(policy.code)], "datasets": [str(dataset.code)]}
    answer = dana.post(reverse("benchmark-order"), order, follow=True)
    assert "1 benchmark run is queued." in answer.content.decode()
    assert Run.objects.get().stage == "benchmark"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file": SimpleUploadedFile("own.txt", b"x")}, "must end in .jsonl or .csv"),
        ({"file": SimpleUploadedFile("own.jsonl", b"no json")}, "No line of the file is a question"),
        ({"form": ""}, "form is"),
    ],
)
def test_what_is_wrong_with_a_file_stands_at_its_field(
    dana: Client, change: dict[str, Any], words: str
) -> None:
    answer = dana.post(
        reverse("benchmark-import"), {"set": "own", "form": "choice", "file": file(CHOICES), **change}
    )
    assert answer.status_code == 422
    assert words in answer.content.decode()


def test_a_task_of_ones_own_is_chosen_by_name_and_one_that_cannot_be_run_is_explained(
    dana: Client, tmp_path: Path, settings: Settings
) -> None:
    broken = CAPITALS.replace("task: capitals", "task: broken\nclass: x")
    settings.HARNESS_TASKS_DIR = write_tasks(tmp_path / "tasks", capitals=CAPITALS, broken=broken)
    stored_model(name="base")
    page = dana.get(reverse("benchmark-order")).content.decode()
    assert 'value="capitals"' in page
    assert 'value="broken"' not in page
    assert "1 task in the server’s folder cannot be run" in page
    assert "broken.yaml: class is not read here" in page
    order = {**ORDER, "models": [str(Model.objects.get().code)]}
    for wrong in (["broken"], ["../capitals"], []):
        assert dana.post(reverse("benchmark-order"), {**order, "tasks": wrong}).status_code == 422
    assert not Run.objects.exists()
    answer = dana.post(reverse("benchmark-order"), {**order, "tasks": ["capitals"]}, follow=True)
    assert "1 benchmark run is queued." in answer.content.decode()
    dataset = Dataset.objects.get()
    assert (dataset.name, Run.objects.get().inputs.get(name="dataset").dataset) == ("capitals", dataset)
    page = dana.get(reverse("dataset-detail", args=[dataset.code]) + "?split=test").content.decode()
    assert "the capital of France" in page
    assert "doc_to_text" in page


def test_tasks_are_listed_and_ordered_by_api(
    dana: Client, tmp_path: Path, settings: Settings, trainer: Play
) -> None:
    settings.HARNESS_TASKS_DIR = write_tasks(tmp_path / "tasks", capitals=CAPITALS)
    stored_model(name="base")
    assert dana.get("/api/v1/benchmarks/tasks/").json() == [
        {"name": "capitals", "file": "capitals.yaml", "problem": ""}
    ]
    wanted = {"policies": ["base"], "tasks": ["capitals"]}
    made = dana.post("/api/v1/benchmarks/", wanted, content_type="application/json")
    assert made.status_code == 201
    trainer({"items": [{"id": "1", "values": {"acc": 1.0, "tone,strict": -2.0}, "answer": ""}]})
    execute_run(Run.objects.get().code)
    assert "tone, strict" in dana.get(reverse("benchmark-list")).content.decode()
    for change, field in (({"tasks": ["nothing"]}, "tasks"), ({"tasks": []}, "datasets")):
        refused = dana.post("/api/v1/benchmarks/", {**wanted, **change}, content_type="application/json")
        assert (refused.status_code, list(refused.json()["fields"])) == (422, [field])


def test_the_page_shows_the_alignment_tax_and_gives_it_as_csv(dana: Client, trainer: Play) -> None:
    base = stored_model(name="base")
    policy = stored_model(name="ppo", kind=ModelKind.PPO, parent=base)
    dataset = own("=Own")
    measured(trainer, base, dataset, "1111")
    measured(trainer, policy, dataset, "0001")

    page = dana.get(reverse("benchmark-list")).content.decode()

    assert "ppo is worse than base in 1 of 1 measures" in page
    assert "−0.75" in page
    told = dana.get(reverse("benchmark-list") + "?format=csv")
    text = b"".join(told.streaming_content).decode()  # type: ignore[attr-defined]
    [row] = list(csv.DictReader(io.StringIO(text)))
    assert (row["set"], row["verdict"]) == ("'=Own", "worse")


def test_the_page_without_anything_says_what_to_do(dana: Client) -> None:
    assert "No set yet" in dana.get(reverse("benchmark-list")).content.decode()


def test_the_page_costs_few_queries(
    dana: Client, trainer: Play, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    parent = None
    for number in range(4):
        kind = ModelKind.PPO if parent else ModelKind.BASE
        parent = stored_model(kind, name=f"policy-{number}", parent=parent)
        for name in ("one", "other", "third"):
            measured(trainer, parent, own(name), "1111")
    with django_assert_max_num_queries(20):
        dana.get(reverse("benchmark-list"))


def test_the_interface_orders_runs_and_gives_results_and_tax(dana: Client, trainer: Play) -> None:
    base = stored_model(name="base")
    policy = stored_model(name="ppo", kind=ModelKind.PPO, parent=base)
    dataset = own()
    measured(trainer, base, dataset, "1111")
    measured(trainer, policy, dataset, "0001")

    [newest, _] = dana.get("/api/v1/benchmarks/").json()["results"]
    assert (newest["policy"], newest["dataset"]) == ("ppo", dataset.hash)
    assert newest["results"][0]["value"] == 0.25
    [tax] = dana.get(f"/api/v1/models/{policy.code}/alignment-tax/").json()
    assert (tax["metric"], tax["before"], tax["after"], tax["verdict"]) == ("acc", 1.0, 0.25, "worse")

    wanted = {"policies": ["ppo"], "datasets": [str(dataset.code)]}
    made = dana.post("/api/v1/benchmarks/", wanted, content_type="application/json")
    assert (made.status_code, len(made.json())) == (201, 1)
    wrong = dana.post("/api/v1/benchmarks/", {**wanted, "policies": ["?"]}, content_type="application/json")
    assert (wrong.status_code, wrong.json()["fields"]) == (422, {"policies": "unknown"})
