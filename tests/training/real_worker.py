"""Workers in processes of their own, on the test's own database, broker and store."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from django.conf import settings as django_settings
from django.db import connection

from training.models import Run
from training.rules import run_folder
from training.rules.datasets import freeze_texts
from training.rules.runs import create_run

STOP_SECONDS = 20


def database_url() -> str:
    """Name the test's own database to another process."""
    row = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{row['NAME']}"
    account = quote(str(row["USER"])) + (f":{quote(str(row['PASSWORD']))}" if row["PASSWORD"] else "")
    host = quote(str(row["HOST"] or ""), safe="")
    port = f":{row['PORT']}" if row["PORT"] else ""
    return f"postgres://{account}@{host}{port}/{row['NAME']}"


def environment_of(settings: Any, **more: str) -> dict[str, str]:
    """Return the environment of another process on this test's database and store."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "server.settings.test",
        "DATABASE_URL": database_url(),
        "ARTIFACTS_URL": settings.ARTIFACTS_URL,
        "OMP_NUM_THREADS": "1",
        **more,
    }


@contextmanager
def running_worker(
    settings: Any,
    log: Path,
    *,
    queues: Sequence[str] = ("gpu",),
    at_once: int = 1,
    more: Mapping[str, str] = MappingProxyType({}),
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a Celery worker of these queues while the block runs; `more` goes into its environment."""
    command = [sys.executable, "-m", "celery", "--app", "server", "worker", "--loglevel", "INFO"]
    command += ["--queues", ",".join(queues), "--concurrency", str(at_once)]
    command += ["--hostname", f"{'-'.join(queues)}@%h", "--without-gossip", "--without-mingle"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=django_settings.BASE_DIR,
            env=environment_of(settings, **more),
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def in_another_process(settings: Any, code: str, **more: str) -> "subprocess.Popen[bytes]":
    """Start a Python process with Django set up on the test's database that does this."""
    program = f"import django; django.setup(); {code}"
    environment = environment_of(settings, **more)
    return subprocess.Popen([sys.executable, "-c", program], cwd=django_settings.BASE_DIR, env=environment)


def tiny_run(steps: int, *, name: str = "tiny", queue: str = "gpu") -> Run:
    """Return a queued run that makes a base model of a few thousand parameters."""
    words = ["red", "green", "blue", "cat", "dog", "bird", "sun", "moon"]
    dataset = freeze_texts(name="words", texts=[" ".join(words[i % 5 :]) for i in range(60)])
    config = {
        "threads": 1,
        "report": {"log_every": 1, "checkpoint_every": 5},
        "pretrain": {
            "vocab_size": 280,
            "layers": 1,
            "width": 16,
            "heads": 2,
            "context": 32,
            "steps": steps,
            "minibatch_size": 4,
            "sequence_tokens": 16,
        },
    }
    return create_run(
        stage="pretrain", config=config, inputs={"dataset": dataset}, model_name=name, queue=queue
    )


def wait_for_checkpoint(run: Run, seconds: float = 180) -> None:
    """Wait until a run has saved what another worker could go on from."""
    checkpoints = run_folder.folder_of(run) / "checkpoints"
    deadline = time.monotonic() + seconds
    while not list(checkpoints.glob("step-*/manifest.json")):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{run} has no checkpoint in {checkpoints} after {seconds:g} seconds")
        time.sleep(0.02)
