"""What a run takes of its machine, sampled by its process into resources.jsonl: CPU, memory, GPU, disk.

Standard library only. All processes of the run count: those of one session, as the worker starts them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

EVERY_SECONDS = 5.0
GPU_QUERY = ("--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits")
MIB = 1024 * 1024
log = logging.getLogger(__name__)


class Usage(NamedTuple):
    """CPU seconds used so far and bytes of memory in use, over all processes of a session."""

    cpu_seconds: float
    memory_bytes: int


class Meter:
    """Writes a line every few seconds until it is stopped.

    cpu               cores in use since the line before; 1.0 is one whole core
    memory_bytes      resident memory
    gpu               share of the time in which a GPU was at work, mean over those visible
    gpu_memory_bytes  sum over the GPUs
    disk_free_bytes   left where the run's folder is
    """

    def __init__(self, folder: Path, every: float = EVERY_SECONDS) -> None:
        self.path, self.every = folder / "resources.jsonl", every
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="resources", daemon=True)
        self._gpu = shutil.which("nvidia-smi")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(timeout=2 * self.every)

    def _run(self) -> None:
        before, at = session_usage(), time.monotonic()
        while not self._stop.wait(self.every):
            now, usage = time.monotonic(), session_usage()
            cpu = max(0.0, usage.cpu_seconds - before.cpu_seconds) / (now - at)
            before, at = usage, now
            try:
                self._write(cpu, usage.memory_bytes)
            except OSError as error:  # a full disk ends the run elsewhere, with a better sentence
                log.debug("no resources written: %s", error)

    def _write(self, cpu: float, memory_bytes: int) -> None:
        line: dict[str, float] = {
            "at": round(time.time(), 1),
            "cpu": round(cpu, 3),
            "memory_bytes": memory_bytes,
            "disk_free_bytes": shutil.disk_usage(self.path.parent).free,
            **(gpu_usage(self._gpu) if self._gpu else {}),
        }
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


@contextlib.contextmanager
def metering(folder: Path, *, is_main: bool = True) -> Iterator[None]:
    """Sample what the run takes while a block works; only the main process does."""
    if not (is_main and folder.is_dir() and Path("/proc/self/stat").exists()):
        yield
        return
    meter = Meter(folder)
    meter.start()
    try:
        yield
    finally:
        meter.stop()


def session_usage() -> Usage:
    """Add up every process of this one's session; those that end meanwhile are left out."""
    session = os.getsid(0)
    ticks, pages = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
    seconds, memory = 0.0, 0
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        # Behind the name: state, parent, group, session (3), …, user and system time (11, 12), …, rss (21).
        if int(fields[3]) == session:
            seconds += (int(fields[11]) + int(fields[12])) / ticks
            memory += int(fields[21]) * pages
    return Usage(seconds, memory)


def gpu_usage(program: str) -> dict[str, float]:
    """Ask the driver's program how busy the visible GPUs are; empty where it does not answer."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    chosen = [f"--id={visible}"] if visible else []
    try:
        answer = subprocess.run(
            [program, *chosen, *GPU_QUERY], capture_output=True, text=True, timeout=4, check=True
        )
        rows = [[float(cell) for cell in line.split(",")] for line in answer.stdout.splitlines() if line]
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    if not rows:
        return {}
    return {
        "gpu": round(sum(busy for busy, _ in rows) / len(rows) / 100, 3),
        "gpu_memory_bytes": sum(used for _, used in rows) * MIB,
    }
