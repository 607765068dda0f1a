"""Start the processes of a run that has several, and answer for them as one.

torchrun does the work. A request to stop reaches the processes as the file named cancel, because torchrun
itself would end them. What became of the run stands in result.json, which the first process writes.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from training.rlhf.folder import read_result

SHUTDOWN_SECONDS = 60


def is_launcher(processes: int) -> bool:
    """Whether this process has others to start, instead of being one that torchrun has started."""
    return processes > 1 and "WORLD_SIZE" not in os.environ


def command(processes: int, arguments: list[str]) -> list[str]:
    """Return the command line that starts the processes of one machine."""
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    torchrun += [f"--nproc-per-node={processes}", f"--shutdown-timeout={SHUTDOWN_SECONDS}"]
    return [*torchrun, "-m", "training.rlhf", *arguments]


def launch(processes: int, folder: Path, arguments: list[str]) -> int | None:
    """Run all processes to their end; returns the exit status they agree on, None if they left none."""
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    child = subprocess.Popen(command(processes, arguments), env=environment)
    signal.signal(signal.SIGTERM, lambda *_: (folder / "cancel").touch())
    child.wait()
    status = read_result(folder).get("exit_status")
    return int(status) if status is not None else None
