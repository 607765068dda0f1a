"""The JSON interface of the training side: shapes, refusals, and who is let in."""

from typing import Any

import pytest
from rest_framework.test import APIClient

from labeling.models import Role, Split, TaskKind
from tests.factories import PolicyFactory, PromptFactory, UserFactory
from tests.training.factories import demonstration, draft_batch, ranking, sft_dataset, sft_run, stored_model
from tests.training.registry import fill
from training import tasks
from training.models import Evaluation, ModelKind, Round, Run, RunState
from training.rules import models
from training.rules.curves import store_points

pytestmark = pytest.mark.django_db

NOUNS = ("datasets", "runs", "models", "rounds", "evaluations")


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


def url(path: str) -> str:
    return f"/api/v1/{path}"


@pytest.mark.parametrize("noun", NOUNS)
@pytest.mark.parametrize("role", [None, Role.LABELER, Role.MANAGER])
def test_only_researchers_and_owners_are_let_in(noun: str, role: str | None) -> None:
    client = APIClient()
    if role:
        client.force_authenticate(UserFactory.create(role=role))
    response = client.get(url(f"{noun}/"))
    assert response.status_code == (403 if role else 401)
    assert set(response.json()) == {"code", "message", "fields"}


@pytest.mark.parametrize("noun", NOUNS)
def test_lists_are_keyset_pages(dana: APIClient, noun: str) -> None:
    assert dana.get(url(f"{noun}/")).json() == {"next": None, "previous": None, "results": []}


def test_labels_are_frozen_listed_and_read(dana: APIClient) -> None:
    demonstration(text="Sleep.")
    made = dana.post(url("datasets/"), {"kind": "sft"}, format="json")
    assert made.status_code == 201
    code = made.json()["code"]
    assert made.json()["manifest"]["dropped"] == {}
    assert dana.get(url("datasets/?kind=sft")).json()["results"][0]["code"] == code
    assert dana.get(url("datasets/?kind=comparisons")).json()["results"] == []
    records = dana.get(url(f"datasets/{code}/records/?split=train&count=5")).json()["records"]
    assert [record["completion"] for record in records] == ["Sleep."]


def test_selection_that_makes_no_sense_is_refused(dana: APIClient) -> None:
    response = dana.post(
        url("datasets/"), {"kind": "sft", "selection": {"cohorts": ["ghosts"]}}, format="json"
    )
    assert response.status_code == 422
    assert response.json()["fields"]["cohorts"].startswith("cohorts has ghosts")


def test_run_is_started_from_a_shipped_config_with_changes(dana: APIClient, sent: list[str]) -> None:
    model = stored_model(name="tiny")
    sft_dataset()
    body: dict[str, Any] = {
        "stage": "sft",
        "shipped": "tiny_sft",
        "config": {"seed": 3, "sft": {"epochs": 5}},
        "inputs": {"policy": "tiny"},
    }
    response = dana.post(url("runs/"), body, format="json")
    assert response.status_code == 201
    run = Run.objects.get()
    assert "epochs = 5" in run.config
    assert run.seed == 3
    assert sent == [str(run.code)]
    given = {row["name"]: row["model"] for row in response.json()["inputs"]}
    assert given["policy"] == str(model.code)


def test_wrong_config_names_every_key(dana: APIClient, sent: list[str]) -> None:
    stored_model()
    sft_dataset()
    body = {"stage": "sft", "config": {"sft": {"epochs": 0}, "colour": "red"}}
    response = dana.post(url("runs/"), body, format="json")
    assert response.status_code == 422
    assert response.json()["code"] == "bad_config"
    assert set(response.json()["fields"]) == {"sft.epochs", "colour"}
    assert not Run.objects.exists()
    assert sent == []


def test_run_is_watched_cancelled_and_tried_again(dana: APIClient, sent: list[str]) -> None:
    run = sft_run()
    store_points(run, [{"step": 1, "loss/sft": 2.5}])
    assert dana.get(url(f"runs/{run.code}/")).json()["state"] == "queued"
    assert dana.get(url(f"runs/{run.code}/points/")).json() == {
        "state": "queued",
        "metrics": {"loss/sft": [[1, 2.5]]},
    }
    assert dana.post(url(f"runs/{run.code}/cancel/")).json()["state"] == "cancelled"
    assert dana.post(url(f"runs/{run.code}/retry/")).json()["state"] == "queued"
    assert sent == [str(run.code)]
    refused = dana.post(url(f"runs/{run.code}/retry/"))
    assert (refused.status_code, refused.json()["code"]) == (409, "run_state")
    Run.objects.update(state=RunState.FINISHED)
    assert dana.post(url(f"runs/{run.code}/cancel/")).status_code == 409


def test_model_carries_its_lineage(dana: APIClient) -> None:
    run = sft_run()
    model = models.register_model(run=run, facts={"seed": 0})
    assert model is not None
    body = dana.get(url(f"models/{model.code}/")).json()
    assert body["policy"] == model.name
    assert body["lineage"]["datasets"][0]["kind"] == "sft"
    assert body["lineage"]["sources"][0]["kind"] == "base"
    base = dana.get(url(f"models/{body['start_model']}/")).json()
    assert base["descendants"] == [str(model.code)]


def test_model_is_imported(dana: APIClient) -> None:
    body = {"location": "example/tiny", "name": "tiny"}
    assert dana.post(url("models/"), body, format="json").status_code == 201
    assert dana.post(url("models/"), body, format="json").status_code == 422


def test_round_is_opened_and_taken_a_step(dana: APIClient) -> None:
    PromptFactory.create_batch(2)
    body = {"base_model": str(stored_model().code), "settings": {"prompts": 2}}
    opened = dana.post(url("rounds/"), body, format="json")
    assert opened.status_code == 201
    assert opened.json()["steps"][0]["state"] == "ready"
    code = Round.objects.get().code
    after = dana.post(url(f"rounds/{code}/steps/demonstrate/")).json()
    assert after["steps"][0]["state"] == "running"
    again = dana.post(url(f"rounds/{code}/steps/demonstrate/"))
    assert (again.status_code, again.json()["code"]) == (409, "step_not_ready")
    for strange in ({"k": 40}, {"configs": "x"}, {"overrides": ["a"]}, {"configs": {"sft": ["a"]}}):
        refused = dana.post(url("rounds/"), {**body, "settings": strange}, format="json")
        assert (refused.status_code, list(refused.json()["fields"])) == (422, list(strange))
    wrong = dana.post(url("rounds/"), {"settings": {"k": 40}}, format="json")
    assert wrong.status_code == 422
    assert "k" in wrong.json()["fields"]


def test_round_is_followed_once_it_waits_for_that_and_closed_thereby(
    dana: APIClient, sent: list[str]
) -> None:
    made = fill(by=UserFactory.create(), rounds=2, points=2)
    last, base = made.rounds[-1], made.base
    early = dana.post(url("rounds/"), {"previous": str(last.code)}, format="json")
    assert (early.status_code, early.json()["code"]) == (409, "step_not_ready")
    ranking([1, 2], batch=last.comparison_batch)
    PromptFactory.create_batch(2, split=Split.TRAIN)
    body = {"previous": str(last.code), "name": "Third", "settings": {"prompts": 1, "valid_prompts": 0}}
    strange = dana.post(url("rounds/"), {**body, "base_model": str(base.code)}, format="json")
    assert (strange.status_code, list(strange.json()["fields"])) == (422, ["base_model"])
    opened = dana.post(url("rounds/"), body, format="json")
    assert opened.status_code == 201
    assert opened.json()["previous"] == str(last.code)
    assert opened.json()["steps"][0]["state"] == "running"
    assert sent == [str(run.code) for run in Run.objects.filter(stage="sample").order_by("pk")]
    last.refresh_from_db()
    assert last.closed_at is not None
    again = dana.post(url("rounds/"), body, format="json")
    assert again.status_code == 409


def test_evaluation_is_started_and_gives_its_win_rate(dana: APIClient, sent: list[str]) -> None:
    PromptFactory.create_batch(2, split=Split.TEST)
    body = {"policy": stored_model(ModelKind.PPO).name, "baseline": stored_model(ModelKind.SFT).name}
    made = dana.post(url("evaluations/"), body, format="json")
    assert made.status_code == 201
    assert made.json()["result"]["win_rate"] is None
    assert len(sent) == 2
    wrong = dana.post(url("evaluations/"), {**body, "policy": "ghost"}, format="json")
    assert wrong.json()["fields"] == {"policy": "unknown"}


def test_win_rate_is_given_by_cohort(dana: APIClient) -> None:
    baseline, policy = PolicyFactory.create(), PolicyFactory.create()
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=baseline)
    ranking([1, 2], batch=batch, policies=[policy, baseline])
    row = Evaluation.objects.create(name="Final", policy=policy, baseline=baseline, batch=batch)
    body = dana.get(url(f"evaluations/{row.code}/")).json()
    assert body["result"]["win_rate"] == 1.0
    assert body["cohorts"]["train"]["wins"] == 1
