"""What webhooks are told of datasets, runs, rounds and evaluations: each thing once."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest
from django.utils import timezone

from labeling.models import Assignment, Batch, Role, TaskKind, Webhook, WebhookDelivery, WebhookEvent
from labeling.rules.webhooks import CHOSEN
from tests.factories import LabelerFactory, UserFactory
from tests.training.factories import sft_dataset, sft_run, stored_model
from tests.training.rules.test_round_outcomes import judged, turn
from training.models import Round, RunState
from training.rules import run_execution
from training.rules.round_news import announce_rounds
from training.rules.rounds import open_round


@pytest.fixture
def hook() -> Webhook:
    dana = UserFactory.create(role=Role.RESEARCHER)
    return Webhook.objects.create(
        name="all", url="https://example.org/", events=[event.value for event in CHOSEN], created_by=dana
    )


def told(event: WebhookEvent) -> list[WebhookDelivery]:
    return list(WebhookDelivery.objects.filter(event=event))


@pytest.mark.django_db
def test_a_frozen_dataset_is_told_once_however_often_it_is_frozen(hook: Webhook) -> None:
    sft_dataset()
    assert len(told(WebhookEvent.DATASET_FROZEN)) == 1


@pytest.mark.django_db(transaction=True)
def test_ends_of_runs_are_told(hook: Webhook, trainer: Callable[[Mapping[str, Any]], None]) -> None:
    trainer({"refuse": "The disk is full."})
    run = sft_run()
    assert run_execution.execute_run(run.code) == RunState.FAILED
    (failed,) = told(WebhookEvent.RUN_FAILED)
    assert str(run.code) in failed.body
    assert "The disk is full." in failed.body
    assert not told(WebhookEvent.RUN_FINISHED)


@pytest.mark.django_db
def test_a_round_that_waits_for_a_person_is_told_once(hook: Webhook) -> None:
    row = open_round(base_model=stored_model())
    assert (announce_rounds(), announce_rounds()) == (1, 0)
    (waiting,) = told(WebhookEvent.ROUND_WAITING)
    assert '"step":"demonstrate"' in waiting.body
    Round.objects.filter(pk=row.pk).update(settings={**row.settings, "is_automatic": True})
    WebhookDelivery.objects.all().delete()
    assert announce_rounds() == 0


@pytest.mark.django_db
def test_a_complete_evaluation_is_told_once_to_those_who_asked_before(hook: Webhook) -> None:
    hook.events = [WebhookEvent.EVALUATION_DONE.value]
    hook.save()
    row = turn(LabelerFactory.create())
    evaluation = judged(row, wins=3, losses=1)
    task = evaluation.batch.tasks.first()
    assert task is not None
    spent = {
        "task": task,
        "batch": evaluation.batch,
        "kind": TaskKind.EVALUATION,
        "labeler": LabelerFactory.create(),
    }
    slot = Assignment.objects.create(**spent, state="submitted", finished_at=timezone.now())
    assert announce_rounds() == 0, "its batch is not complete"
    Batch.objects.filter(pk=evaluation.batch_id).update(status=Batch.Status.CLOSED)
    late = Webhook.objects.create(name="late", url="https://example.org/", events=hook.events)
    assert (announce_rounds(), announce_rounds()) == (1, 0)
    (done,) = told(WebhookEvent.EVALUATION_DONE)
    assert '"win_rate":0.75' in done.body
    assert slot.finished_at is not None
    assert (done.webhook, slot.finished_at < late.created_at) == (hook, True)
