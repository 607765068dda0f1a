"""Serve the pages and run workers, together, until a signal: `make run`, and the end of the demo.

python -m server.serve [--address 127.0.0.1:8000] [--no-worker]
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

STOP_SECONDS = 30
PROGRAMS = Path(sys.executable).parent


def web_command(address: str) -> list[str]:
    """Return the command of the web server: one process, several threads, which is what SQLite likes."""
    options = [
        "--bind",
        address,
        "--workers",
        "1",
        "--threads",
        "8",
        "--timeout",
        "120",
        "--no-control-socket",
    ]
    return [str(PROGRAMS / "gunicorn"), *options, "--access-logfile", "-", "server.wsgi:application"]


def production_web_command(address: str, workers: int = 3, threads: int = 1) -> list[str]:
    """Return the command of a web server on PostgreSQL and two cores, as the container image starts it.

    A worker for each core and one more, which computes while another waits for the database; threads that
    take turns cost more than they bring (benchmarks/labeling_load).
    """
    options = ["--bind", address, "--workers", str(workers), "--threads", str(threads), "--timeout", "120"]
    options += ["--access-logfile", "-", "--no-control-socket"]
    return [str(PROGRAMS / "gunicorn"), *options, "server.wsgi:application"]


def worker_commands() -> list[list[str]]:
    """Return the commands of three workers, so that neither short tasks nor the playground wait for a run.

    The first has the clock for what is done regularly; the second does one run at a time.
    """
    worker = [
        str(PROGRAMS / "celery"),
        "--app",
        "server",
        "worker",
        "--concurrency",
        "1",
        "--loglevel",
        "INFO",
    ]
    worker += ["--without-gossip", "--without-mingle"]  # they have nothing to tell each other
    return [
        [*worker, "--queues", "default", "--hostname", "default@%h", "--beat"],
        [*worker, "--queues", "gpu", "--hostname", "gpu@%h"],
        [*worker, "--queues", "playground", "--hostname", "playground@%h"],
    ]


def serve(commands: Sequence[Sequence[str]]) -> int:
    """Run these commands until one ends or a signal comes; then stop all. Returns an exit status."""
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    children = [subprocess.Popen(list(command), start_new_session=True) for command in commands]
    names = {child.pid: Path(command[0]).name for child, command in zip(children, commands, strict=True)}
    while not stopping.wait(0.5):
        ended = [child for child in children if child.poll() is not None]
        for child in ended:
            sys.stderr.write(f"{names[child.pid]} ended with status {child.returncode}\n")
        if ended:
            break
    for child in children:
        if child.poll() is None:
            child.terminate()
    for child in children:
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
    return 0 if stopping.is_set() else 1


def main() -> int:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(prog="python -m server.serve", description=__doc__.splitlines()[0])
    parser.add_argument("--address", default="127.0.0.1:8000", help="host:port (default %(default)s)")
    parser.add_argument("--only", choices=("web", "workers"), help="one part instead of both")
    options = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "server.settings.demo")
    commands = []
    if options.only != "workers":
        commands.append(web_command(options.address))
        sys.stdout.write(f"Serving on http://{options.address}/ — stop with Ctrl-C.\n")
        sys.stdout.flush()
    if options.only != "web":
        commands.extend(worker_commands())
    return serve(commands)


if __name__ == "__main__":
    sys.exit(main())
