"""The workers of a demo: started as children of the command, ended with it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

from django.conf import settings

from server.serve import worker_commands
from training.models import Run
from training.tasks import enqueue_run

STOP_SECONDS = 20
GPU_RUNS_AT_ONCE = 2
"""Short runs of a tiny model use one thread well and two badly, so two of them work side by side."""


class WorkerGone(Exception):
    """A worker ended while the demo needed it."""


class Crew(Protocol):
    """Whoever does runs."""

    def send(self, run: Run) -> None:
        """Have a queued run done."""

    def check(self) -> None:
        """Raise if nobody is there to do it."""


class Workers:
    """Celery workers for both queues, with the clock; what they print goes to a log file."""

    def __init__(self, log: Path, *, threads: int) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
        self.log = log
        with log.open("ab") as output:
            self.children = [
                subprocess.Popen(
                    command,
                    cwd=settings.BASE_DIR,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
                for command in demo_commands()
            ]

    def send(self, run: Run) -> None:
        """Wake a worker for a queued run."""
        enqueue_run(run)

    def check(self) -> None:
        """Raise WorkerGone, with the last lines of its log, if a worker has ended."""
        for child in self.children:
            if child.poll() is not None:
                tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])
                raise WorkerGone(f"A worker ended with status {child.returncode}. Its last words:\n{tail}")

    def stop(self) -> None:
        """End the workers, gently first."""
        for child in self.children:
            if child.poll() is None:
                child.terminate()
        for child in self.children:
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, signal.SIGKILL)


def demo_commands() -> Sequence[list[str]]:
    """Return the commands that serve the queues, with room for two runs at once on the gpu queue."""
    commands = [list(command) for command in worker_commands() if "playground" not in command]
    for command in commands:
        if "gpu" in command:
            command[command.index("--concurrency") + 1] = str(GPU_RUNS_AT_ONCE)
    return commands


@contextmanager
def running_workers(*, threads: int) -> Iterator[Workers]:
    """Run the workers while the block runs; a request to end the command ends them too."""
    before = signal.signal(signal.SIGTERM, _leave)
    workers = Workers(Path(settings.DATA_DIR) / "demo-workers.log", threads=threads)
    try:
        yield workers
    finally:
        workers.stop()
        signal.signal(signal.SIGTERM, before)


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
