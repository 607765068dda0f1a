"""The process of a run: one at a time in a folder, started without our secrets, stopped gently first."""

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from django.conf import settings

from training.models import Run
from training.rules.storage_faults import explained

GRACE_SECONDS = 60.0
"""How long a process may take to end its step and save a checkpoint before it is killed."""
KILL_SECONDS = 10.0
SECRETS = ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "EMAIL_URL")


class FolderBusy(Exception):
    """Another process works in the folder and cannot be ended from here."""


class FolderLock:
    """Keeps two processes apart in one run folder.

    The lock lives as long as any process that holds the open file: the worker, and the process it started,
    which inherits it. So a process that outlived its worker holds it, and is ended before another one starts.
    """

    def __init__(self, folder: Path) -> None:
        self.file: TextIO = (folder / "lock").open("a+", encoding="utf-8")

    def take(self, grace_seconds: float | None = None) -> None:
        """Take the lock, ending a left-over process first. Raises FolderBusy if that does not help."""
        if self._try():
            return
        grace = GRACE_SECONDS if grace_seconds is None else grace_seconds
        for signal_number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, KILL_SECONDS)):
            self._signal_holder(signal_number)
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                if self._try():
                    return
                time.sleep(0.1)
        raise FolderBusy("Another process works in the folder of this run and does not end.")

    def name_holder(self, pid: int) -> None:
        """Write down who holds the lock, for whoever wants it next."""
        self.file.seek(0)
        self.file.truncate()
        self.file.write(f"{socket.gethostname()} {pid}\n")
        self.file.flush()

    def release(self) -> None:
        """Let go; a process that inherited the lock still holds it."""
        self.file.close()

    def _try(self) -> bool:
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _signal_holder(self, signal_number: int) -> None:
        self.file.seek(0)
        host, _, pid = self.file.read().strip().partition(" ")
        if (
            host == socket.gethostname()
            and pid.isdigit()
            and _works_in(int(pid), Path(self.file.name).parent)
        ):
            signal_group(int(pid), signal_number)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[FolderLock]:
    """Make a run's folder where there is none, and hold its lock.

    Raises FolderBusy where another process works there, Unavailable where the folder cannot be written.
    """
    with explained(str(settings.RUNS_DIR)):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
    try:
        lock.take()
        yield lock
    finally:
        lock.release()


def command(run: Run, folder: Path) -> list[str]:
    """Return the command line of a run's process."""
    line = [sys.executable, "-m", "training.rlhf", run.stage, "--config", str(folder / "run.toml")]
    guard = shutil.which("setpriv")  # asks the kernel to end the process when its worker dies
    return [guard, "--pdeathsig", "TERM", *line] if guard else line


def start(run: Run, folder: Path, lock: FolderLock) -> subprocess.Popen[bytes]:
    """Start the process of a run; what it prints goes to log.txt."""
    environment = {key: value for key, value in os.environ.items() if key not in SECRETS}
    environment |= {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"}
    needs_hub = run.inputs.filter(model__isnull=False, model__folder="").exists()
    environment["HF_HUB_OFFLINE"] = "0" if needs_hub else "1"
    with (folder / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            command(run, folder),
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock.file.fileno(),),
        )
    lock.name_holder(process.pid)
    return process


def ask_to_stop(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Ask the process to end its step, save a checkpoint and leave."""
    (folder / "cancel").touch()
    signal_group(process.pid, signal.SIGTERM)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End the process and everything it started, at once."""
    signal_group(process.pid, signal.SIGKILL)
    process.wait()


def signal_group(pid: int, signal_number: int) -> None:
    """Signal a process that leads a group, and its group; one that is gone is no error."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal_number)


def _works_in(pid: int, folder: Path) -> bool:
    """Return whether a process names this folder in its command line: process numbers are used again."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return str(folder).encode() in words
