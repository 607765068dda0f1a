"""The Celery tasks, and one real run on a real worker process."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from tests.training.factories import sft_run
from tests.training.real_worker import environment_of, running_worker, tiny_run
from training import tasks
from training.models import Model, Run, RunState, Worker
from training.rules import run_folder
from training.rules.run_execution import execute_run
from training.rules.runs import recover_runs, wait_for_run

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have gone to the broker."""
    codes: list[str] = []
    monkeypatch.setattr(tasks.execute_run, "apply_async", lambda given, **options: codes.extend(given))
    return codes


def test_worker_is_woken_when_the_transaction_commits(sent: list[str]) -> None:
    with transaction.atomic():
        run = sft_run()
        tasks.enqueue_run(run)
        assert sent == []
    assert sent == [str(run.code)]
    assert Run.objects.get().sent_at is not None


def test_broker_that_is_away_loses_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(given: tuple[str], **options: str) -> None:
        raise OperationalError("no route")

    monkeypatch.setattr(tasks.execute_run, "apply_async", refuse)
    tasks.enqueue_run(sft_run())
    assert Run.objects.get().sent_at is None
    assert Run.objects.get().state == RunState.QUEUED


def test_silent_runs_are_sent_again(sent: list[str]) -> None:
    run = sft_run()
    Run.objects.update(state=RunState.RUNNING, heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert tasks.recover_runs() == 1
    assert sent == [str(run.code)]


def test_training_goes_to_the_gpu_queue() -> None:
    router = tasks.execute_run.app.amqp.router
    assert router.route({}, "training.tasks.execute_run")["queue"].name == "gpu"
    assert router.route({}, "training.tasks.recover_runs")["queue"].name == "default"


@pytest.fixture
def worker(settings: Any, tmp_path: Path) -> Iterator[Path]:
    """A worker of the gpu queue in a process of its own, on this test's database and store."""
    log = tmp_path / "worker.log"
    with running_worker(settings, log):
        yield log


@pytest.mark.slow
def test_run_of_a_killed_worker_goes_on_from_its_checkpoint(settings: Any) -> None:
    settings.RUNS_DIR = settings.DATA_DIR / "runs"
    run = tiny_run(steps=400)
    program = f"from training.rules.run_execution import execute_run; execute_run('{run.code}')"
    command = [sys.executable, "-c", f"import django; django.setup(); {program}"]
    worker = subprocess.Popen(command, cwd=django_settings.BASE_DIR, env=environment_of(settings))
    checkpoints = run_folder.folder_of(run) / "checkpoints"
    deadline = time.monotonic() + 120
    while not list(checkpoints.glob("step-*/manifest.json")):
        assert time.monotonic() < deadline, (checkpoints, worker.poll())
        time.sleep(0.02)
    worker.kill()
    worker.wait()
    assert Run.objects.get().state in (RunState.STARTING, RunState.RUNNING)
    Run.objects.update(heartbeat_at=timezone.now() - timedelta(minutes=5))
    assert recover_runs() == [run]
    assert execute_run(run.code) == RunState.FINISHED
    run.refresh_from_db()
    assert run.attempt == 2
    assert "resum" in (run_folder.folder_of(run) / "log.txt").read_text().lower()
    assert run.points.count() == 400


@pytest.mark.slow
def test_real_run_goes_through_broker_worker_and_process(worker: Path) -> None:
    run = tiny_run(steps=4)
    started = time.monotonic()
    tasks.enqueue_run(run)
    try:
        run = wait_for_run(run, timeout=120)
    except TimeoutError:
        pytest.fail(f"{run.state} after {time.monotonic() - started:.0f} s\n{worker.read_text()[-3000:]}")
    assert run.state == RunState.FINISHED, f"{run.reason}\n{run.log_tail}"
    assert run.points.count() >= 4
    assert "celery" in worker.read_text()
    model = Model.objects.get(name="tiny")
    assert model.kind == "base"
    assert model.run == run
    assert Worker.objects.get().queues == ["gpu"]
    assert run.worker == Worker.objects.get().name
