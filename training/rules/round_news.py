"""What webhooks are told of rounds and evaluations: their states follow from rows, so somebody must look."""

from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone

from labeling.models import Batch, WebhookEvent
from labeling.rules import webhooks
from labeling.rules.batches import progress_of_batches
from training.models import Evaluation, Round
from training.rules.evaluations import win_rate
from training.rules.rounds import next_step

LOOK_BACK = timedelta(days=2)


def announce_rounds() -> int:
    """Leave messages about rounds that wait for a person, closed gates and complete evaluations.

    Each is told once. Where no webhook asks, nothing is looked at. Returns how many messages were left.
    """
    told = 0
    if webhooks.is_wanted(WebhookEvent.ROUND_WAITING, WebhookEvent.GATE_CLOSED):
        told += sum(_tell_of_round(row) for row in Round.objects.open().order_by("pk"))
    if webhooks.is_wanted(WebhookEvent.EVALUATION_DONE):
        since = timezone.now() - LOOK_BACK
        recent = Evaluation.objects.filter(batch__assignments__finished_at__gte=since).distinct()
        rows = list(recent.select_related("batch", "policy", "baseline").order_by("pk"))
        progress = progress_of_batches([row.batch for row in rows])
        for row in rows:
            counts = progress[row.batch_id]
            is_complete = counts.tasks and counts.submitted >= counts.wanted
            if is_complete or row.batch.status == Batch.Status.CLOSED:
                told += _tell_of_evaluation(row)
    return told


def _tell_of_round(row: Round) -> int:
    step = next_step(row)
    if step is None:
        return 0
    data = {"round": str(row.code), "number": row.number, "step": step.key, "found": step.detail}
    if step.is_held:
        subject = f"{row.code}:{step.key}:{row.gate_overrides.count()}"
        return len(webhooks.emit(WebhookEvent.GATE_CLOSED, subject=subject, data=data))
    if step.can_start and not row.settings.get("is_automatic"):
        made = (row.sft_run_id, row.reward_run_id, row.ppo_run_id)  # a step that failed waits again
        subject = f"{row.code}:{step.key}:{'-'.join(str(run or 0) for run in made)}"
        return len(webhooks.emit(WebhookEvent.ROUND_WAITING, subject=subject, data=data))
    return 0


def _tell_of_evaluation(row: Evaluation) -> int:
    ended: datetime | None = row.batch.assignments.aggregate(at=Max("finished_at"))["at"]
    subject = str(row.code)
    if not webhooks.listeners(WebhookEvent.EVALUATION_DONE, subject=subject, at=ended):
        return 0
    rate = win_rate(policy=row.policy, baseline=row.baseline, batch=row.batch)
    data = {"evaluation": str(row.code), "name": row.name, **rate.as_mapping()}
    return len(webhooks.emit(WebhookEvent.EVALUATION_DONE, subject=subject, data=data, at=ended))
