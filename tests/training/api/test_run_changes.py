"""Runs that programs move in their queue, clone, look into and compare; and who works on them."""

import csv
import io
from typing import Any

import pytest
from rest_framework.test import APIClient

from labeling.models import Role
from tests.factories import UserFactory
from tests.training.factories import sft_dataset, sft_inputs, sft_run, stored_model
from training import tasks
from training.models import Model, Run, RunState
from training.rules import runs, workers
from training.rules.curves import store_points
from training.rules.run_resources import store_samples

pytestmark = pytest.mark.django_db


@pytest.fixture
def dana() -> APIClient:
    """A researcher's program."""
    client = APIClient()
    client.force_authenticate(UserFactory.create(role=Role.RESEARCHER))
    return client


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What went to the broker, as soon as it was asked for."""
    codes: list[str] = []
    monkeypatch.setattr(tasks.execute_run, "apply_async", lambda given, **options: codes.extend(given))
    monkeypatch.setattr("django.db.transaction.on_commit", lambda function: function())
    return codes


def url(run: Run, what: str = "") -> str:
    return f"/api/v1/runs/{run.code}/{what}"


def test_a_run_is_started_with_a_priority_in_a_queue(dana: APIClient) -> None:
    stored_model(name="tiny")
    sft_dataset()
    workers.report_worker(name="big@one", queues=["big"], is_new=True)
    body: dict[str, Any] = {"stage": "sft", "inputs": {"policy": "tiny"}, "priority": 7, "queue": "big"}
    made = dana.post("/api/v1/runs/", body, format="json")
    assert made.status_code == 201
    assert (made.json()["priority"], made.json()["queue"]) == (7, "big")
    wrong = dana.post("/api/v1/runs/", {**body, "priority": 101, "queue": "huge"}, format="json")
    assert (wrong.status_code, set(wrong.json()["fields"])) == (422, {"priority", "queue"})
    assert "big, gpu" in wrong.json()["message"]
    plain = dana.post("/api/v1/runs/", {"stage": "sft", "inputs": {"policy": "tiny"}}, format="json").json()
    assert (plain["priority"], plain["queue"], plain["cloned_from"]) == (0, "gpu", None)


def test_only_a_queued_run_is_moved(dana: APIClient) -> None:
    run = sft_run()
    assert dana.post(url(run, "priority/"), {"priority": -3}, format="json").json()["priority"] == -3
    beyond = dana.post(url(run, "priority/"), {"priority": 1000}, format="json")
    assert (beyond.status_code, set(beyond.json()["fields"])) == (422, {"priority"})
    Run.objects.update(state=RunState.RUNNING)
    late = dana.post(url(run, "priority/"), {"priority": 1}, format="json")
    assert (late.status_code, late.json()["code"]) == (409, "run_state")


def test_a_clone_differs_only_in_what_is_named(dana: APIClient, sent: list[str]) -> None:
    source = sft_run({"seed": 3, "sft": {"epochs": 5}, "optim": {"learning_rate": 0.002}}, priority=4)
    other = stored_model(name="other")
    body = {"config": {"sft": {"epochs": 9}}, "inputs": {"policy": "other"}, "model_name": "again"}
    made = dana.post(url(source, "clone/"), body, format="json")
    assert made.status_code == 201
    clone = Run.objects.get(code=made.json()["code"])
    assert sent == [str(clone.code)]
    assert made.json()["cloned_from"] == str(source.code)
    assert (clone.seed, clone.model_name, clone.priority) == (3, "again", 0)
    assert "epochs = 9" in clone.config
    assert "learning_rate = 0.002" in clone.config
    read = {given["name"]: given["model"] or given["dataset"] for given in made.json()["inputs"]}
    assert read["policy"] == str(other.code)
    assert read["dataset"] == str(source.inputs.get(name="dataset").dataset.code)  # type: ignore[union-attr]


def test_a_clone_without_a_word_is_the_same_run_once_more(dana: APIClient) -> None:
    source = sft_run({"sft": {"epochs": 5}})
    dana.post(url(source, "clone/"), {}, format="json")
    assert Run.objects.first().config == source.config  # type: ignore[union-attr]


def test_a_clone_is_checked_like_any_run(dana: APIClient, sent: list[str]) -> None:
    source = sft_run()
    wrong = dana.post(url(source, "clone/"), {"config": {"sft": {"epochs": 0}}}, format="json")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_config")
    Model.objects.update(status="archived")
    gone = dana.post(url(source, "clone/"), {}, format="json")
    assert (gone.status_code, set(gone.json()["fields"])) == (422, {"inputs.policy"})
    assert sent == []
    assert Run.objects.count() == 1


def test_samples_stand_side_by_side_with_what_changed(dana: APIClient) -> None:
    run = sft_run()
    nothing = dana.get(url(run, "samples/"))
    assert nothing.json() == {"steps": [], "earlier": None, "later": None, "prompts": []}
    said = ((0, "I like pie.", -1.0), (5, "Red is fine.", 0.5), (10, "Red is a color.", None))
    samples = [{"step": at, "prompt": "Color?", "response": text, "score": score} for at, text, score in said]
    Run.objects.update(samples=samples)
    body = dana.get(url(run, "samples/")).json()
    assert (body["steps"], body["earlier"], body["later"]) == ([0, 5, 10], 0, 10)
    chosen = dana.get(url(run, "samples/?earlier=5")).json()["prompts"][0]
    assert chosen["earlier"] == {"step": 5, "text": "Red is fine.", "score": 0.5}
    assert chosen["later"]["score"] is None
    assert {"kind": "removed", "text": "fine."} in chosen["changes"]
    assert [answer["step"] for answer in chosen["answers"]] == [0, 5, 10]
    wrong = dana.get(url(run, "samples/?later=7"))
    assert (wrong.status_code, set(wrong.json()["fields"])) == (422, {"later"})
    assert "0, 5, 10" in wrong.json()["message"]


def test_what_a_run_takes_of_its_machine_is_told(dana: APIClient) -> None:
    run = sft_run()
    assert dana.get(url(run, "resources/")).json() == []
    store_samples(run, [{"at": 60.0 * n, "cpu": 1.5, "memory_bytes": n * 1024**3} for n in range(1, 4)])
    cpu, memory = dana.get(url(run, "resources/")).json()
    assert (cpu["unit"], cpu["last"], cpu["points"][-1]) == ("cores", 1.5, [2.0, 1.5])
    assert (memory["unit"], memory["lowest"], memory["highest"]) == ("GiB", 1.0, 3.0)


def test_every_point_comes_as_csv(dana: APIClient) -> None:
    run = sft_run()
    store_points(run, [{"step": step, "loss/sft": 2.5 / step} for step in range(1, 401)])
    answer = dana.get(url(run, "points.csv"))
    assert answer["Content-Type"].startswith("text/csv")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 400
    assert float(rows[1]["loss/sft"]) == 1.25


def test_runs_are_compared_setting_by_setting(dana: APIClient) -> None:
    given = sft_inputs()
    one, other = (
        runs.create_run(stage="sft", config={"sft": {"epochs": epochs}}, inputs=given) for epochs in (2, 4)
    )
    store_points(one, [{"step": 1, "loss/sft": 2.5}])
    query = f"?run={other.code}&run={one.code}&run={one.code}"
    body = dana.get(f"/api/v1/runs/compare/{query}").json()
    assert body["runs"] == [str(other.code), str(one.code)]
    assert [(row["name"], row["values"]) for row in body["settings"] if row["differs"]] == [
        ("sft.epochs", [4, 2])
    ]
    assert {row["name"]: row["differs"] for row in body["inputs"]} == {"policy": False, "dataset": False}
    curves = dana.get(f"/api/v1/runs/compare/points/{query}").json()
    assert curves["curves"] == {"loss/sft": [[], [[1, 2.5]]]}


def test_a_comparison_wants_two_to_five_runs_that_are_there(dana: APIClient) -> None:
    run = sft_run()
    for query in ("", f"?run={run.code}", f"?run={run.code}&run={run.code}", "?run=x&run=y"):
        refused = dana.get(f"/api/v1/runs/compare/{query}")
        assert (refused.status_code, set(refused.json()["fields"])) == (422, {"run"}), query
    stranger = "00000000-0000-0000-0000-000000000001"
    refused = dana.get(f"/api/v1/runs/compare/?run={run.code}&run={stranger}")
    assert stranger in refused.json()["message"]


def test_workers_are_told_with_what_they_hold_and_what_waits(dana: APIClient) -> None:
    workers.report_worker(name="gpu@one", queues=["gpu"], is_new=True)
    held = sft_run()
    Run.objects.update(state=RunState.RUNNING, worker="gpu@one")
    lesser, urgent = (
        runs.create_run(
            stage="sft",
            config={},
            inputs={given.name: given.dataset or given.model for given in held.inputs.all()},  # type: ignore[misc]
            priority=priority,
            queue="big",
        )
        for priority in (0, 5)
    )
    body = dana.get("/api/v1/workers/").json()
    assert [(row["name"], row["state"]) for row in body["workers"]] == [("gpu@one", "working")]
    assert [run["code"] for run in body["workers"][0]["runs"]] == [str(held.code)]
    assert [run["code"] for run in body["waiting"]] == [str(urgent.code), str(lesser.code)]
    assert (body["unheard_queues"], body["waiting_total"], body["is_clock_silent"]) == (["big"], 2, True)


def test_a_list_of_clones_asks_no_more_for_more_rows(
    dana: APIClient, django_assert_max_num_queries: Any
) -> None:
    source = sft_run()
    for _ in range(6):
        dana.post(url(source, "clone/"), {}, format="json")
    with django_assert_max_num_queries(4):
        assert len(dana.get("/api/v1/runs/").json()["results"]) == 7
