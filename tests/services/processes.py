"""Start child processes so that none outlives this one, however it ends."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypedDict

STOP_SECONDS = 15
PR_SET_PDEATHSIG = 1


class Stopped(BaseException):
    """A signal asked this process to stop; what it started is stopped on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.status = 128 + number


class CannotStart(Exception):
    """A server did not come up; the message says why."""


def stop_on_signals() -> None:
    """Turn the first INT, TERM or HUP into Stopped; later ones cannot disturb the cleaning up."""

    def handle(number: int, frame: FrameType | None) -> None:
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)
        raise Stopped(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, handle)


def die_with_parent(number: signal.Signals) -> Callable[[], None]:
    """Return what a child calls before it starts, so that the kernel signals it if this process is killed."""
    libc = ctypes.CDLL(None)

    def ask_kernel() -> None:
        if hasattr(libc, "prctl"):
            libc.prctl(PR_SET_PDEATHSIG, number)

    return ask_kernel


def server_user() -> pwd.struct_passwd | None:
    """Return whom a server runs as where we are root: postgres, else nobody; None means as we are."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with suppress(KeyError):
            return pwd.getpwnam(name)
    raise CannotStart("root may not run PostgreSQL, and this system has neither a user postgres nor nobody")


@contextmanager
def private_folder(owner: pwd.struct_passwd | None) -> Iterator[Path]:
    """Give a temporary folder that its owner can reach, and remove it at the end."""
    places = dict.fromkeys([tempfile.gettempdir(), "/tmp", "/var/tmp"])
    place = next((p for p in places if owner is None or reachable_by_all(Path(p))), None)
    if place is None:
        raise CannotStart(f"{owner and owner.pw_name} can reach none of the folders {', '.join(places)}")
    folder = Path(tempfile.mkdtemp(prefix="instructloop-", dir=place))
    try:
        if owner:
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def reachable_by_all(folder: Path) -> bool:
    """Say whether every user may pass through this folder and all above it."""
    return folder.is_dir() and all(path.stat().st_mode & 0o001 for path in (folder, *folder.parents))


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str],
    *,
    ready: Callable[[], bool],
    log: Path,
    user: pwd.struct_passwd | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
    seconds: float = 30,
) -> Iterator[None]:
    """Run a server while the block runs; it is ready when the block starts and gone when this returns."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=log.parent,
            start_new_session=True,
            preexec_fn=die_with_parent(stop_signal),
            **as_user(user),
        )
    try:
        deadline = time.monotonic() + seconds
        while not ready():
            if child.poll() is not None or time.monotonic() > deadline:
                lines = log.read_text(errors="replace").splitlines()[-3:]
                raise CannotStart(
                    f"{Path(command[0]).name} did not start: {' / '.join(lines) or 'no output'}"
                )
            time.sleep(0.05)
        yield
    finally:
        stop(child, stop_signal)


class RunAs(TypedDict, total=False):
    """The arguments of Popen that make a child run as another user."""

    user: int
    group: int
    extra_groups: list[int]


def as_user(user: pwd.struct_passwd | None) -> RunAs:
    """Return what makes a child run as this user; nothing for None."""
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}


def stop(child: subprocess.Popen[Any], number: signal.Signals = signal.SIGTERM) -> None:
    """Stop a child and everything in its group: politely, then by force."""
    with suppress(ProcessLookupError):
        child.send_signal(number)
    with suppress(subprocess.TimeoutExpired):
        child.wait(STOP_SECONDS)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
        wait_for_group(child.pid)
    child.wait()


def wait_for_group(group: int) -> None:
    """Wait until no process of a killed group is left; raises ProcessLookupError then.

    Dead ones stay until their parent asks for them, so that there is a limit.
    """
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        os.killpg(group, 0)
        time.sleep(0.01)


def run_to_end(command: Sequence[str], variables: Mapping[str, str], seconds: float) -> int:
    """Run a command in the foreground and return its status; 124 if it ran out of time."""
    child = subprocess.Popen(
        command, env=dict(variables), start_new_session=True, preexec_fn=die_with_parent(signal.SIGTERM)
    )
    try:
        return child.wait(seconds)
    except subprocess.TimeoutExpired:
        print(f"{Path(command[0]).name} was stopped: it ran longer than {seconds:.0f} s", flush=True)
        return 124
    finally:
        stop(child)
