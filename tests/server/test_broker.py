"""Tasks reach a worker, through Redis where it is named, else through files."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from celery.exceptions import TimeoutError
from django.conf import settings
from django.core.cache.backends.filebased import FileBasedCache
from django.core.exceptions import ImproperlyConfigured

from server.broker import LONGEST_STEP_SECONDS, broker_settings, cache_settings
from server.celery import app
from server.environment import Environment
from tests.services.machine import ROOT
from tests.services.processes import stop


class Worker(NamedTuple):
    """A worker's process and where it writes."""

    process: subprocess.Popen[bytes]
    log: Path

    def last_words(self) -> str:
        """Return what to show when the worker does not answer."""
        return f"status {self.process.poll()}\n{self.log.read_text()[-2000:]}"


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Worker]:
    """A real worker for both queues, on the broker of this pass."""
    command = [sys.executable, "-m", "celery", "-A", "server", "worker", "-Q", "default,gpu", "-c", "1"]
    log = tmp_path / "log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, env=os.environ.copy(), stdout=output, stderr=output, start_new_session=True
        )
    yield Worker(child, log)
    stop(child)


def test_without_redis_messages_and_results_are_files_in_the_data_folder(tmp_path: Path) -> None:
    found = broker_settings(Environment({}), tmp_path)

    assert found["BROKER_URL"] == "files://localhost/"
    assert found["RESULT_BACKEND"] == f"file://{tmp_path}/broker/results"
    options = found["BROKER_TRANSPORT_OPTIONS"]
    assert options["data_folder_in"] == options["data_folder_out"]
    assert all(Path(options[name]).is_dir() for name in ("data_folder_in", "control_folder"))


def test_redis_keeps_a_message_longer_than_the_longest_run(tmp_path: Path) -> None:
    found = broker_settings(Environment({"REDIS_URL": "redis://host:6379/1"}), tmp_path)

    assert found["BROKER_URL"] == found["RESULT_BACKEND"] == "redis://host:6379/1"
    assert found["BROKER_TRANSPORT_OPTIONS"]["visibility_timeout"] == LONGEST_STEP_SECONDS
    assert not (tmp_path / "broker").exists()


def test_unix_socket_of_redis_is_spelled_as_celery_wants_it(tmp_path: Path) -> None:
    found = broker_settings(Environment({"REDIS_URL": "unix:///run/redis.sock"}), tmp_path)

    assert found["BROKER_URL"] == "redis+socket:///run/redis.sock"


def test_other_brokers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL is 'amqp://host'; it must be an address"):
        broker_settings(Environment({"REDIS_URL": "amqp://host"}), tmp_path)


def test_cache_in_files_is_seen_by_other_processes(tmp_path: Path) -> None:
    found = cache_settings(Environment({}), tmp_path)
    here = FileBasedCache(str(found["LOCATION"]), {})
    elsewhere = FileBasedCache(str(found["LOCATION"]), {})
    here.set("key", "value")

    assert elsewhere.get("key") == "value"


def test_only_json_is_accepted() -> None:
    assert settings.CELERY_ACCEPT_CONTENT == ["json"]
    assert settings.CELERY_TASK_SERIALIZER == settings.CELERY_RESULT_SERIALIZER == "json"


def test_tasks_that_train_go_to_the_gpu_queue_and_the_rest_does_not() -> None:
    route = app.amqp.router.route

    assert route({}, "training.tasks.execute_run")["queue"].name == "gpu"
    assert route({}, "training.tasks.recover_runs")["queue"].name == "default"
    assert route({}, "training.tasks.advance_rounds")["queue"].name == "default"
    assert route({}, "labeling.tasks.reclaim_leases")["queue"].name == "default"


def test_everything_that_the_clock_starts_is_a_task_that_exists() -> None:
    app.loader.import_default_modules()
    planned = {entry["task"] for entry in settings.CELERY_BEAT_SCHEDULE.values()}

    assert planned - set(app.tasks) == set()


def test_worker_does_a_task_and_answers(worker: Worker) -> None:
    answer = app.send_task("celery.backend_cleanup", queue="gpu")
    deadline = time.monotonic() + 60
    while worker.process.poll() is None and time.monotonic() < deadline:
        try:
            assert answer.get(timeout=1) is None
            break
        except TimeoutError:
            continue
    assert answer.successful(), worker.last_words()
    while not (pong := app.control.ping(timeout=2)) and time.monotonic() < deadline:
        assert worker.process.poll() is None, worker.last_words()

    assert pong
    assert next(iter(pong[0].values())) == {"ok": "pong"}
