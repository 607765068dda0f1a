"""Workers: who is alive, on what device, doing what."""

import os
import platform
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from django.db import DatabaseError, connection
from django.utils import timezone

from training.models import Run, Worker

REPORT_SECONDS = 10.0
SILENT_SECONDS = 45
"""A worker that has not reported for this long is shown as silent."""
FORGET_DAYS = 7
TRAINING_QUEUES = ("gpu",)
STATES = ("working", "idle", "silent", "stopped")
"""Of a worker as people see it, in the order of a list."""


@dataclass(frozen=True)
class Presence:
    """A worker as a page shows it, in one of the `STATES`."""

    worker: Worker
    state: str
    runs: list[Run]


def report_worker(*, name: str, queues: Sequence[str], is_new: bool = False) -> None:
    """Write down that a worker lives; `is_new` where it has just started."""
    now = timezone.now()
    facts = {"queues": sorted(queues), "seen_at": now, "stopped_at": None}
    if is_new:
        facts |= {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "device": device_of_this_machine(),
            "memory_bytes": _memory_bytes(),
            "started_at": now,
        }
    Worker.objects.update_or_create(name=name, defaults=facts)


def stop_worker(name: str) -> None:
    """Write down that a worker has left."""
    Worker.objects.filter(name=name).update(stopped_at=timezone.now())


def presences() -> list[Presence]:
    """Return the workers of the last days: those at work first, with the runs that each holds."""
    now = timezone.now()
    held: dict[str, list[Run]] = {}
    for run in Run.objects.active().order_by("-pk"):
        held.setdefault(run.worker, []).append(run)
    found = []
    for worker in Worker.objects.filter(seen_at__gt=now - timedelta(days=FORGET_DAYS)):
        runs = held.get(worker.name, [])
        if worker.stopped_at is not None:
            state = "stopped"
        elif worker.seen_at < now - timedelta(seconds=SILENT_SECONDS):
            state = "silent"
        else:
            state = "working" if runs else "idle"
        found.append(Presence(worker, state, runs))
    return sorted(found, key=lambda presence: (STATES.index(presence.state), presence.worker.name))


def queues_without_workers(found: Sequence[Presence]) -> list[str]:
    """Return the queues for which runs wait and no living worker listens."""
    listening = {
        queue
        for presence in found
        if presence.state in ("working", "idle")
        for queue in presence.worker.queues
    }
    waiting = set(Run.objects.queued().order_by().values_list("queue", flat=True).distinct())
    return sorted(waiting - listening)


def known_queues() -> list[str]:
    """Return the queues that a run may be given to: the usual one and those that workers have listened to."""
    named = {queue for queues in Worker.objects.values_list("queues", flat=True) for queue in queues}
    return sorted({*TRAINING_QUEUES, *named} - {"default", "playground"})


def device_of_this_machine() -> str:
    """Name the GPUs here, or else the processor and its number of cores."""
    program = shutil.which("nvidia-smi")
    if program is not None:
        query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader"]
        try:
            answer = subprocess.run(query, capture_output=True, text=True, timeout=10, check=True).stdout
        except (OSError, subprocess.SubprocessError):
            answer = ""
        if names := [line.strip() for line in answer.splitlines() if line.strip()]:
            return "; ".join(names)[:300]
    return f"CPU, {os.cpu_count() or 1} cores, {_processor()}"[:300]


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return 0


class Reporter(threading.Thread):
    """Reports a worker until it is told to stop. The connection is closed each time: children are forked."""

    def __init__(self, name: str, queues: Sequence[str]) -> None:
        super().__init__(name=f"reports of {name}", daemon=True)
        self.worker_name, self.queues = name, list(queues)
        self.is_over = threading.Event()

    def run(self) -> None:
        is_new = True
        while True:
            try:
                report_worker(name=self.worker_name, queues=self.queues, is_new=is_new)
                is_new = False
            except DatabaseError:  # a database that is away: the next report says it
                pass
            finally:
                connection.close()
            if self.is_over.wait(REPORT_SECONDS):
                return

    def stop(self) -> None:
        """End the reports and say goodbye."""
        self.is_over.set()
        self.join(5)
        try:
            stop_worker(self.worker_name)
        except DatabaseError:
            pass
        finally:
            connection.close()
