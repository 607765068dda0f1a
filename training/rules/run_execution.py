"""What a worker does with a run: claim it, start its process, watch it, and record how it ended.

Safe at any point: every write is refused once another worker has taken the run, and whatever a dead worker
left undone is done again from the folder with the same result.
"""

import logging
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import connection, transaction
from django.utils import timezone

from labeling.errors import LabelingError
from training.models import Run, RunState, Stage
from training.rules import (
    benchmarks,
    harness_tasks,
    models,
    response_scores,
    run_folder,
    run_news,
    run_process,
    sampling,
)
from training.rules.patience import patiently
from training.rules.run_tails import Tails
from training.rules.runs import claim_run, current_state, update_claimed

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
HEARTBEAT_SECONDS = 10.0
FINISHED, REFUSED, CANCELLED = 0, 2, 3


class Heartbeat(threading.Thread):
    """Says every few seconds that the worker lives, also while it copies a large model."""

    def __init__(self, run: Run) -> None:
        super().__init__(name=f"heartbeat of {run.code}", daemon=True)
        self.run_row = run
        self.is_over = threading.Event()

    def run(self) -> None:
        try:
            renew = partial(update_claimed, self.run_row)
            while not self.is_over.wait(HEARTBEAT_SECONDS) and patiently(renew):
                pass
        finally:
            connection.close()

    def __enter__(self) -> "Heartbeat":
        self.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.is_over.set()
        self.join()


def execute_run(code: UUID, *, worker: str = "") -> str:
    """Do a queued run from claim to verdict. Returns its state; delivered twice, the second does nothing."""
    wanted = Run.objects.get(code=code)
    run = claim_run(wanted, worker=worker or f"{socket.gethostname()} {os.getpid()}")
    return wanted.state if run is None else execute_claimed(run)


def execute_claimed(run: Run) -> str:
    """Do a run that this worker has just claimed. Returns its state."""
    folder = run_folder.folder_of(run)
    with Heartbeat(run):
        try:
            with run_process.locked(folder) as lock:
                _work(run, folder, lock)
        except run_process.FolderBusy as error:
            update_claimed(run, state=RunState.QUEUED, sent_at=timezone.now(), reason=str(error))
        except Exception as error:
            log.exception("Run %s broke outside its process", run.code)
            said = error.message if isinstance(error, LabelingError) else f"{type(error).__name__}: {error}"
            patiently(partial(_end, run, folder, RunState.FAILED, said))
    return Run.objects.values_list("state", flat=True).get(pk=run.pk)


def _work(run: Run, folder: Path, lock: run_process.FolderLock) -> None:
    run_folder.prepare(run)
    harness_tasks.refuse_functions(run)
    if response_scores.is_scoring(run):
        response_scores.write_ranked_responses(run=run, folder=folder)
    state = current_state(run)
    if state != RunState.STARTING:
        if state == RunState.CANCELLING:
            _end(run, folder, RunState.CANCELLED)
        return
    process = run_process.start(run, folder, lock)
    try:
        ours = Run.objects.filter(pk=run.pk, attempt=run.attempt, state=RunState.STARTING)
        started_at = run.started_at or timezone.now()
        patiently(partial(ours.update, state=RunState.RUNNING, started_at=started_at))
        is_ours = _watch(run, folder, process)
    finally:
        if process.poll() is None:
            run_process.kill(process)
    if is_ours:
        patiently(partial(_record_verdict, run, folder, process.returncode))


def _watch(run: Run, folder: Path, process: subprocess.Popen[bytes]) -> bool:
    """Copy what the process reports until it ends. Returns False if another worker took the run over."""
    tails = Tails(run, folder)
    kill_at: float | None = None
    told: dict[str, Any] = {}
    while True:
        has_ended = _wait(process, POLL_SECONDS)
        report = run_folder.read_report(folder)
        news = {key: value for key, value in report.items() if told.get(key) != value}
        if not patiently(partial(_copy, run, tails, news, is_last=has_ended)):
            return False
        told = report
        if has_ended:
            return True
        if kill_at is None and patiently(lambda: current_state(run)) == RunState.CANCELLING:
            run_process.ask_to_stop(process, folder)
            kill_at = time.monotonic() + run_process.GRACE_SECONDS
        elif kill_at is not None and time.monotonic() > kill_at:
            run_process.kill(process)


def _copy(run: Run, tails: Tails, news: Mapping[str, Any], *, is_last: bool) -> bool:
    """Copy what the process wrote; returns False if another worker took the run over."""
    tails.copy(is_last=is_last)
    return update_claimed(run, **news)


def _wait(process: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _record_verdict(run: Run, folder: Path, status: int) -> None:
    result = run_folder.read_result(folder)
    said = str(result.get("reason") or "")
    if status == FINISHED and result.get("state") == "finished":
        models.store_weights(run, folder)
        record_finish(run, folder)
    elif current_state(run) == RunState.CANCELLING:
        reason = Run.objects.values_list("reason", flat=True).get(pk=run.pk)
        if status == -signal.SIGKILL:
            reason += " It had to be ended by force; its last checkpoint is kept."
        _end(run, folder, RunState.CANCELLED, reason)
    elif status == CANCELLED:
        reason = "It was interrupted from outside and will be resumed."
        update_claimed(run, state=RunState.QUEUED, sent_at=None, reason=reason)
    else:
        reason = said if status == REFUSED or result.get("state") == "failed" else ""
        _end(run, folder, RunState.FAILED, reason or _explain(status, run_folder.read_log_tail(folder)))


def record_finish(run: Run, folder: Path) -> None:
    """Record in one transaction that the run has finished, its model, and the responses it wrote."""
    result = run_folder.read_result(folder)
    metrics = dict(result.get("metrics") or {})
    with transaction.atomic():
        batch = sampling.lock_batch(run)
        moved = update_claimed(
            run,
            state=RunState.FINISHED,
            finished_at=timezone.now(),
            result=metrics,
            reason="",
            phase="",
            eta_seconds=None,
        )
        if not moved:
            return
        model = models.register_model(run=run, facts={**run_folder.read_facts(folder), "metrics": metrics})
        if run.stage == Stage.SAMPLE:
            sampling.store_responses(run=run, folder=folder)
            if batch is not None:
                sampling.make_tasks(batch=batch)
        if response_scores.is_scoring(run):
            response_scores.store_scores(run=run, folder=folder)
        run_news.tell_run_finished(run, model)
        benchmarks.store_results(run=run, folder=folder)


def _end(run: Run, folder: Path, state: RunState, reason: str | None = None) -> None:
    values = {} if reason is None else {"reason": reason[:2000]}
    with suppress(OSError):  # a folder that cannot be read keeps nobody from saying how the run ended
        values["log_tail"] = run_folder.read_log_tail(folder)
    with transaction.atomic():
        is_ours = update_claimed(run, state=state, finished_at=timezone.now(), eta_seconds=None, **values)
        if is_ours and state == RunState.FAILED:
            run_news.tell_run_failed(run, reason or "")


def _explain(status: int, log_tail: str) -> str:
    """Say in a sentence how a process ended that said nothing itself."""
    lines = [line for line in log_tail.splitlines() if line.strip()]
    last = f" Its last words: {lines[-1].strip()[:300]}" if lines else " It wrote nothing to its log."
    if status == FINISHED:
        return f"The process ended without a result.{last}"
    if status < 0:
        name = signal.Signals(-status).name
        hint = ", often because memory ran out" if -status == signal.SIGKILL else ""
        return f"The process was ended by {name}{hint}.{last}"
    return f"The process ended with status {status}.{last}"
