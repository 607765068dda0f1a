"""A round's page asks little even where everything stands on it: alarm, gold, a pool, a signed gate."""

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeling.models import Role
from labeling.rules.comparisons import record_ranking
from labeling.rules.gold import mark_gold
from labeling.rules.judgements import Judgement
from tests.factories import UserFactory, qualified_labeler
from tests.training.registry import Registry, fill
from training.models import GateOverride, Model, RunCurve

pytestmark = pytest.mark.django_db

MOST = 20


def overoptimised(made: Registry) -> None:
    """Let the newest policy's score and KL rise while labelers prefer it in one case of two."""
    last = made.rounds[-1]
    for name in ("score", "kl"):
        points = [[step, float(step)] for step in range(50)]
        curves = RunCurve.objects.filter(run=last.ppo_run, name=f"objective/{name}")
        assert curves.update(points=points) == 1
    parent = Model.objects.get(name="base")
    for model in Model.objects.filter(run__isnull=False).order_by("pk"):
        if model.kind in ("sft", "ppo"):
            Model.objects.filter(pk=model.pk).update(parent=parent)
            parent = model


def test_a_round_under_an_alarm_with_gold_and_a_pool_asks_at_most_twenty_times(
    client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    dana = UserFactory.create(name="Dana", role=Role.RESEARCHER)
    made = fill(by=dana, rounds=3, points=50, judgements=12)
    overoptimised(made)
    first, last = made.rounds[0], made.rounds[-1]
    batch = first.comparison_batch
    assert batch is not None
    for place, task in enumerate(batch.tasks.all()):
        task.chosen_by = ("random", "doubt")[place % 2]
        task.save(update_fields=["chosen_by"])
        order = [
            Judgement(code=candidate.response.code, rank=rank)
            for rank, candidate in enumerate(task.candidates.select_related("response"), start=1)
        ]
        record_ranking(task=task, labeler=qualified_labeler(), judgements=order)
        mark_gold(task=task, judgements=order, reason="The first is right.", by=dana)
    batch.settings = {**batch.settings, "pool": 120}
    batch.save(update_fields=["settings"])
    last.comparison_batch = batch
    first.comparison_batch = None
    first.save()
    last.save()
    GateOverride.objects.create(round=last, by=dana, reason="We want to see what comes.", failed={})
    client.force_login(dana)
    with django_assert_max_num_queries(MOST):
        page = client.get(reverse("round-detail", args=[last.code])).content.decode()
    assert "12 of 12 tasks have two labelers or more" in page
    assert "24 of 24 pairs as the reference has them" in page
    assert "By the reward model" in page
    assert "labelers prefer it to" in page
