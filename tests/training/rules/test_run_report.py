"""What a process says beside its numbers reaches the run, its page and the API; DPO leaves its model."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from labeling.models import Role
from tests.factories import UserFactory
from tests.training.factories import ranking, sft_run, stored_model
from training.models import Model, ModelKind, Run, RunState
from training.rules import datasets, run_execution, run_report, runs
from training.rules.run_execution import execute_run
from training.rules.run_inputs import Input

Play = Callable[[Mapping[str, Any]], None]
FINDING = {
    "level": "bad",
    "metric": "objective/kl",
    "says": "The KL is negative.",
    "cause": "Sampling is cut <b>short</b>.",
    "do": "Sample everything.",
}
LINES = [
    {"name": "observed", "points": [[0.55, 0.5], [0.8, 0.9]]},
    {"name": "as expected", "points": [[0.55, 0.55], [0.9, 0.9]]},
]
REPORT = {
    "findings": [FINDING],
    "plots": {
        "calibration": {"title": "Calibration", "x": "expected", "y": "observed", "lines": LINES},
        "broken": {"title": "no lines"},
    },
    "folds": [
        {
            "fold": 1,
            "labelers": ["a", "b"],
            "trained_on": 40,
            "left_out": {"pairs": 12, "accuracy": 0.7, "low": 0.6, "high": 0.8},
            "inside": {"pairs": 30, "accuracy": 0.75, "low": 0.7, "high": 0.8},
        }
    ],
}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("ending", [{}, {"refuse": "lengths do not fit"}])
def test_report_of_a_process_is_kept_however_it_ends(
    trainer: Play, monkeypatch: pytest.MonkeyPatch, ending: dict[str, str]
) -> None:
    monkeypatch.setattr(run_execution, "POLL_SECONDS", 0.05)
    trainer({"report": REPORT, **ending})
    run = sft_run()
    execute_run(run.code)
    assert Run.objects.get(pk=run.pk).report == REPORT


@pytest.mark.django_db(transaction=True)
def test_dpo_run_registers_a_policy_of_its_kind(trainer: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_execution, "POLL_SECONDS", 0.05)
    trainer({})
    ranking([1, 2, 3])
    dataset = datasets.freeze_dataset(kind="comparisons")
    inputs: dict[str, Input] = {"policy": stored_model(kind=ModelKind.SFT), "dataset": dataset}
    run = runs.create_run(stage="dpo", config={"dpo": {"beta": 0.2}}, inputs=inputs)
    assert execute_run(run.code) == RunState.FINISHED
    model = Model.objects.get(run=run)
    assert (model.kind, model.name) == (ModelKind.DPO, f"dpo-{run.pk}")
    assert model.policy is not None


@pytest.mark.django_db
def test_plots_join_their_lines_into_a_table_and_leave_out_what_is_broken() -> None:
    [plot] = run_report.plots(Run(report=REPORT))
    assert plot.rows == [(0.55, [0.5, 0.55]), (0.8, [0.9, None]), (0.9, [None, 0.9])]
    assert run_report.plots(Run()) == []


@pytest.mark.django_db
def test_page_and_api_show_findings_plots_and_folds(client: Client) -> None:
    run = sft_run()
    Run.objects.filter(pk=run.pk).update(report=REPORT, state=RunState.FINISHED)
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    page = client.get(reverse("run-detail", args=[run.code])).content.decode()
    assert "The KL is negative." in page
    assert "Sampling is cut &lt;b&gt;short&lt;/b&gt;." in page
    assert 'data-metric="calibration"' in page
    assert "0.7 (0.6 to 0.8)" in page
    points = client.get(reverse("run-points", args=[run.code])).json()
    assert points["plots"]["calibration"][0] == [[0.55, 0.5], [0.8, 0.9]]
    assert client.get(f"/api/v1/runs/{run.code}/").json()["report"] == REPORT


@pytest.mark.django_db
def test_page_says_when_nothing_stands_out(client: Client) -> None:
    run = sft_run()
    Run.objects.filter(pk=run.pk).update(report={"findings": []}, state=RunState.FINISHED)
    client.force_login(UserFactory.create(role=Role.RESEARCHER))
    page = client.get(reverse("run-detail", args=[run.code])).content.decode()
    assert "Nothing stands out in its numbers." in page
