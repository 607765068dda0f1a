"""Run stages in forked processes: torch is loaded once, and what dies is a process of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

from training.rlhf.__main__ import main


def start(
    stage: str,
    folder: Path,
    environment: dict[str, str] | None = None,
    before: Callable[[], object] = lambda: None,
) -> int:
    """Run a stage in a forked process; returns its number. What it prints goes to log.txt.

    before  called in that process, to break something there
    """
    pid = os.fork()
    if pid == 0:
        log = os.open(folder / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.environ.update(environment or {})
        status = 9
        try:
            before()
            status = main([stage, "--config", str(folder / "run.toml")])
        finally:
            os._exit(status)
    return pid


def wait(*pids: int) -> list[int]:
    """Wait for processes; returns their exit statuses."""
    return [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]


def run_together(stage: str, folder: Path, processes: int) -> list[int]:
    """Run a stage in several processes, numbered as torchrun numbers them; returns their exit statuses."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    own = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]
    return wait(*[start(stage, folder, {**shared, **each}) for each in own])
