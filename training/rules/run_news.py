"""What webhooks are told of runs."""

from typing import Any

from labeling.models import WebhookEvent
from labeling.rules import webhooks
from training.models import Model, Run

REASON_CHARACTERS = 500


def tell_run_finished(run: Run, model: Model | None) -> None:
    """Leave the news that a run has finished, and what it made."""
    data = _about(run) | {"model": str(model.code) if model else None}
    webhooks.emit(WebhookEvent.RUN_FINISHED, subject=f"{run.code}:{run.attempt}", data=data)


def tell_run_failed(run: Run, reason: str) -> None:
    """Leave the news that a run has failed, and why."""
    data = _about(run) | {"reason": reason[:REASON_CHARACTERS]}
    webhooks.emit(WebhookEvent.RUN_FAILED, subject=f"{run.code}:{run.attempt}", data=data)


def _about(run: Run) -> dict[str, Any]:
    return {"run": str(run.code), "stage": run.stage, "attempt": run.attempt}
