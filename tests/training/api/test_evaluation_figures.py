"""Figures of all judged policies, for programs."""

import pytest
from rest_framework.test import APIClient

from labeling.models import Cohort, Policy, PromptSource, Role, TaskKind
from tests.factories import LabelerFactory, PolicyFactory, PromptFactory, UserFactory
from tests.training.factories import draft_batch, ranking

pytestmark = pytest.mark.django_db


@pytest.fixture
def dana() -> APIClient:
    """A researcher's program."""
    client = APIClient()
    client.force_authenticate(UserFactory.create(role=Role.RESEARCHER))
    return client


@pytest.fixture
def policies() -> tuple[Policy, Policy]:
    """A policy that a training labeler prefers on one prompt, and a held-out one does not on another."""
    ppo, sft = PolicyFactory.create(name="ppo"), PolicyFactory.create(name="sft")
    batch = draft_batch(TaskKind.EVALUATION, k=2, baseline=sft)
    for ranks, cohort, source in (
        ([1, 2], Cohort.TRAIN, PromptSource.API),
        ([2, 1], Cohort.HELD_OUT, PromptSource.PLAYGROUND),
    ):
        ranking(
            ranks,
            batch=batch,
            prompt=PromptFactory.create(source=source),
            labeler=LabelerFactory.create(cohort=cohort),
            policies=[ppo, sft],
            likert=[6, 4],
            flags={"hallucination": ranks[0] == 2},
        )
    return ppo, sft


def test_figures_come_by_cohort_and_origin_with_ratings_and_flags(
    dana: APIClient, policies: tuple[Policy, Policy]
) -> None:
    body = dana.get("/api/v1/evaluations/figures/?baseline=sft").json()
    assert body["left_out"] == 0
    some = dana.get("/api/v1/evaluations/figures/?baseline=sft&policy=ppo").json()["policies"]
    assert some == [each for each in body["policies"] if each["policy"] == "ppo"]
    assert (body["baseline"], body["judged"]) == ("sft", "final")
    ppo, sft = body["policies"]
    assert {group: rate["win_rate"] for group, rate in ppo["rates"].items()} == {
        "all": 0.5,
        "train": 1.0,
        "held_out": 0.0,
    }
    assert {origin: rate["win_rate"] for origin, rate in ppo["by_distribution"].items()} == {
        "gpt": 1.0,
        "instruct": 0.0,
    }
    assert ppo["by_both"]["train"]["gpt"]["wins"] == 1
    assert (ppo["likert"]["value"], ppo["likert"]["count"]) == (6.0, 2)
    assert ppo["flags"]["hallucination"]["value"] == 0.5
    assert sft["rates"]["all"]["win_rate"] is None


def test_a_baseline_that_nobody_judged_is_refused_with_those_that_were(
    dana: APIClient, policies: tuple[Policy, Policy]
) -> None:
    for query in ("?baseline=ghost", "?baseline=sft&judged=control"):
        refused = dana.get(f"/api/v1/evaluations/figures/{query}")
        assert (refused.status_code, set(refused.json()["fields"])) == (422, {"baseline"}), query
    assert "ppo, sft" in dana.get("/api/v1/evaluations/figures/?baseline=ghost").json()["message"]
    assert set(dana.get("/api/v1/evaluations/figures/?judged=all").json()["fields"]) == {"baseline", "judged"}
