"""Celery tasks: fetch a row, call one rule. The enqueue function waits for the transaction to commit."""

import logging
import socket
from functools import partial
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from celery.signals import worker_ready, worker_shutdown
from django.db import transaction
from kombu.exceptions import OperationalError

from training.models import Run, Turn
from training.rules import (
    clock,
    dataset_members,
    playground,
    playground_writing,
    round_news,
    rounds,
    run_execution,
    runs,
    workers,
)

log = logging.getLogger(__name__)


@shared_task(name="training.tasks.execute_run", bind=True, ignore_result=True)
def execute_run(self: "Task[Any, Any]", code: str) -> str:
    """Do the most urgent run of this queue: a message only wakes a worker up.

    As many messages as runs are sent, so each finds one. Delivered twice, the second finds what is left.
    """
    woken_for = Run.objects.get(code=UUID(code))
    run = runs.claim_next(woken_for=woken_for, worker=self.request.hostname or socket.gethostname())
    return woken_for.state if run is None else run_execution.execute_claimed(run)


@shared_task(name="training.tasks.recover_runs")
def recover_runs() -> int:
    """Wake workers for runs whose worker died or whose message was lost. Returns for how many."""
    waiting = runs.recover_runs()
    for run in waiting:
        enqueue_run(run)
    return len(waiting)


@shared_task(name="training.tasks.advance_rounds")
def advance_rounds() -> int:
    """Start what automatic rounds are ready for, and note that the clock ticks. Returns how many runs."""
    clock.hear_clock()
    started = rounds.advance_rounds()
    for run in started:
        enqueue_run(run)
    return len(started)


@shared_task(name="training.tasks.announce_rounds", ignore_result=True)
def announce_rounds() -> int:
    """Leave messages for webhooks about rounds and evaluations. Returns how many."""
    return round_news.announce_rounds()


@shared_task(name="training.tasks.trace_datasets", ignore_result=True)
def trace_datasets() -> int:
    """Look through datasets from before their prompts and labelers were kept. Returns how many."""
    return dataset_members.trace_datasets()


@shared_task(name="training.tasks.answer_turn", bind=True, ignore_result=True)
def answer_turn(self: "Task[Any, Any]", code: str) -> int:
    """Write the replies of a turn of the playground. Delivered twice, the second finds nothing to do."""
    return playground_writing.answer_turn(UUID(code), worker=self.request.hostname or "")


@shared_task(name="training.tasks.recover_replies", ignore_result=True)
def recover_replies() -> int:
    """Give up replies whose worker died, send lost messages again, forget what nobody agreed to keep."""
    playground.forget_conversations()
    waiting = playground_writing.recover_replies()
    for turn in waiting:
        enqueue_turn(turn)
    return len(waiting)


def enqueue_turn(turn: Turn) -> None:
    """Wake a worker for a turn of the playground once the transaction has committed."""
    transaction.on_commit(partial(_send_turn, turn))


def _send_turn(turn: Turn) -> None:
    try:
        answer_turn.apply_async((str(turn.code),), queue=playground.QUEUE)
    except OperationalError:  # the replies stay queued, and recover_replies sends the turn again
        log.exception("The broker does not take turn %s; it will be sent again", turn.code)
    else:
        playground_writing.mark_sent(turn)


def enqueue_run(run: Run) -> None:
    """Wake a worker for a queued run once the transaction has committed."""
    transaction.on_commit(partial(_send, run))


def _send(run: Run) -> None:
    try:
        execute_run.apply_async((str(run.code),), queue=run.queue)
    except OperationalError:  # the run stays queued, and recover_runs sends it again
        log.exception("The broker does not take run %s; it will be sent again", run.code)
    else:
        runs.mark_sent(run)


reporters: list[workers.Reporter] = []


@worker_ready.connect
def start_reports(sender: Any, **details: Any) -> None:
    """Let a worker say every few seconds that it lives."""
    queues = [str(name) for name in sender.app.amqp.queues.consume_from]
    reporter = workers.Reporter(sender.hostname, queues)
    reporters.append(reporter)
    reporter.start()


@worker_shutdown.connect
def stop_reports(**details: Any) -> None:
    """Let a worker say goodbye."""
    while reporters:
        reporters.pop().stop()
