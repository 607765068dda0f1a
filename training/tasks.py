"""Celery tasks: fetch a row, call one rule. The enqueue function waits for the transaction to commit."""

import logging
from functools import partial
from uuid import UUID

from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError

from training.models import Run
from training.rules import run_execution, runs

log = logging.getLogger(__name__)


@shared_task(name="training.tasks.execute_run")
def execute_run(code: str) -> str:
    """Do a run, on a worker of the gpu queue. Delivered twice, the second does nothing."""
    return run_execution.execute_run(UUID(code))


@shared_task(name="training.tasks.recover_runs")
def recover_runs() -> int:
    """Wake workers for runs whose worker died or whose message was lost. Returns for how many."""
    waiting = runs.recover_runs()
    for run in waiting:
        enqueue_run(run)
    return len(waiting)


def enqueue_run(run: Run) -> None:
    """Wake a worker for a queued run once the transaction has committed."""
    transaction.on_commit(partial(_send, run))


def _send(run: Run) -> None:
    try:
        execute_run.delay(str(run.code))
    except OperationalError:  # the run stays queued, and recover_runs sends it again
        log.exception("The broker does not take run %s; it will be sent again", run.code)
    else:
        runs.mark_sent(run)
