"""What buttons and forms of the training side do, once and only once."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Batch, Policy, Role, Split
from tests.factories import PromptFactory, UserFactory
from tests.training.factories import demonstration, sft_dataset, sft_run, stored_model
from training import tasks
from training.models import Dataset, Evaluation, Model, ModelKind, Round, Run, RunState
from training.rules import rounds

pytestmark = pytest.mark.django_db


@pytest.fixture
def dana(client: Client) -> Client:
    """A researcher's browser."""
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    return client


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any) -> list[str]:
    """What went to the broker, as soon as it was asked for."""
    codes: list[str] = []
    monkeypatch.setattr(tasks.execute_run, "apply_async", lambda given, **options: codes.extend(given))
    monkeypatch.setattr("django.db.transaction.on_commit", lambda function: function())
    return codes


def test_run_is_queued_from_the_form(dana: Client, sent: list[str]) -> None:
    model, dataset = stored_model(), sft_dataset()
    url = reverse("run-create", args=["sft"])
    body = {
        "inputs.policy": str(model.code),
        "inputs.dataset": str(dataset.code),
        "sft.epochs": "3",
        "seed": "4",
    }
    response = dana.post(url, body)
    run = Run.objects.get()
    assert response["Location"] == reverse("run-detail", args=[run.code])
    assert "epochs = 3" in run.config
    assert run.seed == 4
    assert sent == [str(run.code)]


@pytest.mark.parametrize("query", ["", "?config=tiny_sft"])
def test_untouched_form_gives_the_defaults(dana: Client, query: str) -> None:
    stored_model(context=128)
    sft_dataset()
    page = dana.get(reverse("run-create", args=["sft"]) + query)
    form = page.context["form"]
    body = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    body |= {name: str(value.code) for name, value in body.items() if hasattr(value, "code")}
    assert dana.post(reverse("run-create", args=["sft"]), body).status_code == 302


def test_wrong_settings_are_marked_where_they_stand(dana: Client, sent: list[str]) -> None:
    model = stored_model()
    sft_dataset()
    body = {"inputs.policy": str(model.code), "sft.epochs": "many", "optim.betas": "0.9", "seed": "-1"}
    response = dana.post(reverse("run-create", args=["sft"]), body)
    assert response.status_code == 422
    errors = response.context["form"].errors
    assert "inputs.dataset" in errors
    assert not Run.objects.exists()
    body["inputs.dataset"] = str(Dataset.objects.get().code)
    errors = dana.post(reverse("run-create", args=["sft"]), body).context["form"].errors
    assert set(errors) == {"sft.epochs", "optim.betas", "seed"}
    assert "allowed is a whole number, 1 or more" in str(errors["sft.epochs"])
    assert sent == []


def test_settings_that_do_not_fit_each_other_are_refused(dana: Client) -> None:
    body = {
        "inputs.policy": str(stored_model(ModelKind.SFT).code),
        "inputs.dataset": str(sft_dataset().code),
        "sft.pretrain_fraction": "0.1",
    }
    response = dana.post(reverse("run-create", args=["sft"]), body)
    assert response.status_code == 422
    assert "inputs.pretrain is missing" in response.content.decode()


def test_cancel_pressed_twice_cancels_once(dana: Client) -> None:
    run = sft_run()
    for _ in range(2):
        assert dana.post(reverse("run-cancel", args=[run.code])).status_code == 302
    assert Run.objects.get().state == RunState.CANCELLED


def test_retry_queues_again(dana: Client, sent: list[str]) -> None:
    run = sft_run()
    Run.objects.update(state=RunState.FAILED)
    for _ in range(2):
        dana.post(reverse("run-retry", args=[run.code]))
    assert Run.objects.get().state == RunState.QUEUED
    assert sent == [str(run.code)]


def test_freezing_twice_leads_to_the_same_dataset(dana: Client) -> None:
    demonstration()
    body = {"kind": "sft", "cohorts": ["train"]}
    first, second = (dana.post(reverse("dataset-freeze"), body)["Location"] for _ in range(2))
    assert first == second
    assert Dataset.objects.count() == 1


def test_freezing_nothing_says_so(dana: Client) -> None:
    response = dana.post(reverse("dataset-freeze"), {"kind": "sft", "cohorts": ["train"]})
    assert response.status_code == 422
    assert "no row may be taken" in response.content.decode()


def test_model_is_imported_or_refused(dana: Client) -> None:
    body = {"source": "example/tiny", "name": "tiny", "kind": "base"}
    assert dana.post(reverse("model-import"), body).status_code == 302
    response = dana.post(reverse("model-import"), body)
    assert response.status_code == 422
    assert "taken" in response.content.decode()
    assert Model.objects.count() == 1


def test_model_samples_for_a_new_batch(dana: Client, sent: list[str]) -> None:
    model = stored_model(ModelKind.SFT)
    PromptFactory.create_batch(3)
    body = {
        "name": "Round 2",
        "split": "train",
        "prompts": "2",
        "count": "4",
        "temperature": "1",
        "overlap": "1",
    }
    response = dana.post(reverse("model-sample", args=[model.code]), body)
    run = Run.objects.get()
    assert response["Location"] == reverse("run-detail", args=[run.code])
    assert run.batch == Batch.objects.get(name="Round 2", k=4)
    assert sent == [str(run.code)]


def test_one_response_is_no_comparison(dana: Client) -> None:
    model = stored_model(ModelKind.SFT)
    body = {
        "name": "x",
        "split": "test",
        "prompts": "2",
        "count": "1",
        "temperature": "1",
        "overlap": "1",
    }
    response = dana.post(reverse("model-sample", args=[model.code]), body)
    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"count", "split"}
    assert not Batch.objects.exists()


def test_evaluation_begins(dana: Client, sent: list[str]) -> None:
    ppo, sft = stored_model(ModelKind.PPO), stored_model(ModelKind.SFT)
    assert ppo.policy is not None
    assert sft.policy is not None
    PromptFactory.create_batch(2, split=Split.TEST)
    body: dict[str, Any] = {
        "policy": str(ppo.policy.code),
        "baseline": str(sft.policy.code),
        "split": "test",
        "prompts": "2",
        "cohorts": ["held_out"],
        "overlap": "1",
        "temperature": "1",
    }
    response = dana.post(reverse("evaluation-create"), body)
    evaluation = Evaluation.objects.get()
    assert response["Location"] == reverse("evaluation-detail", args=[evaluation.code])
    assert len(sent) == 2
    body["policy"] = body["baseline"]
    response = dana.post(reverse("evaluation-create"), body)
    assert response.status_code == 422
    assert "cannot be compared with itself" in response.content.decode()
    assert Batch.objects.count() == 1
    assert Policy.objects.count() == 2


def test_round_opens_and_its_step_is_done_once(dana: Client) -> None:
    base = stored_model()
    PromptFactory.create_batch(2)
    body = {"base_model": str(base.code), "prompts": "2", "k": "3", "overlap": "1"}
    response = dana.post(reverse("round-create"), body)
    given = Round.objects.get()
    assert response["Location"] == reverse("round-detail", args=[given.code])
    url = reverse("round-step", args=[given.code, "demonstrate"])
    page = reverse("round-detail", args=[given.code])
    assert dana.post(url)["Location"] == f"{page}#made-by-demonstrate"
    assert 'id="made-by-demonstrate"' in dana.get(page).content.decode()
    assert dana.post(url)["Location"] == page
    assert Batch.objects.count() == 1
    step = rounds.next_step(Round.objects.get())
    assert step is not None
    assert (step.key, step.state) == ("demonstrate", "running")


def test_form_of_a_round_marks_what_is_wrong_where_it_stands(dana: Client) -> None:
    base = stored_model()
    body = {"base_model": str(base.code), "prompts": "2", "k": "3", "overlap": "1"}
    body |= {"mix_newest": "1", "changes_ppo": "ppo.iterations = 5\nppo.nothing = 1"}
    response = dana.post(reverse("round-create"), body)
    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"changes_ppo"}
    response = dana.post(reverse("round-create"), {**body, "changes_ppo": "ppo.iterations = 5"})
    assert response.context["form"].errors == {"mix_newest": ["mix adds up to 1 response, k is 3."]}
    assert not Round.objects.exists()


def test_next_round_begins_with_the_settings_before_it_and_waits_for_its_turn(dana: Client) -> None:
    settings = {"prompts": 7, "overrides": {"ppo": ["ppo.iterations=5"]}, "gate": {"gold": 0.9}}
    first = rounds.open_round(base_model=stored_model(), settings=settings)
    url = reverse("round-next", args=[first.code])
    form = dana.get(url).context["form"]
    assert "base_model" not in form.fields
    start = {name: form[name].value() for name in ("prompts", "changes_ppo", "gate_gold")}
    assert start == {"prompts": 7, "changes_ppo": "ppo.iterations=5", "gate_gold": 0.9}
    response = dana.post(url, {"prompts": "3", "k": "3", "overlap": "1"})
    assert response.status_code == 422
    assert "does not wait for that step" in response.content.decode()
    assert Round.objects.count() == 1


def test_round_after_another_takes_its_own_settings_and_changes_none(dana: Client) -> None:
    first = rounds.open_round(base_model=stored_model(), settings={"prompts": 7, "k": 3})
    Round.objects.update(settings={**first.settings, "stopped": "No prompts."})
    first.refresh_from_db()
    second = rounds.open_round(previous=first, settings={"prompts": 2})
    first.refresh_from_db()
    assert (first.settings["prompts"], second.settings["prompts"], second.settings["k"]) == (7, 2, 3)
    assert "stopped" not in second.settings
