"""Private PostgreSQL and Redis servers: a free port, a temporary folder, gone at the end."""

import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.services.processes import (
    CannotStart,
    as_user,
    free_port,
    private_folder,
    running,
    server_user,
)

FAST_AND_FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@contextmanager
def postgres_server(programs: Path, settings: Sequence[str] = FAST_AND_FORGETFUL) -> Iterator[str]:
    """Run a PostgreSQL server on programs from this folder; gives its DATABASE_URL.

    `settings` are its own, such as fsync=off; by default those of tests, whose rows nobody will miss.
    """
    user = server_user()
    with private_folder(user) as folder:
        password = secrets.token_urlsafe(24)
        password_file = folder / "password"
        password_file.write_text(password, encoding="ascii")
        password_file.chmod(0o644)
        create_cluster(programs, folder, password_file)
        password_file.unlink()
        port = free_port()
        with postgres_on(programs, folder, port, settings):
            yield f"postgres://tests:{password}@127.0.0.1:{port}/instructloop"


@contextmanager
def postgres_on(programs: Path, folder: Path, port: int, settings: Sequence[str]) -> Iterator[None]:
    """Run a server on the cluster in a folder while the block runs; it may be run there again."""
    given = [*settings, "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
    command = [str(programs / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
    command += [part for setting in given for part in ("-c", setting)]

    def ready() -> bool:
        check = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        return subprocess.run(check, check=False).returncode == 0

    # INT is PostgreSQL's fast shutdown: it does not wait for clients.
    with running(command, ready=ready, log=folder / "log", user=server_user(), stop_signal=signal.SIGINT):
        yield


def create_cluster(programs: Path, folder: Path, password_file: Path) -> None:
    """Create the data folder of a server whose superuser is `tests`."""
    command = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "tests", "-A", "scram-sha-256"]
    command += ["--no-sync", "--no-locale", "-E", "UTF8", "--pwfile", str(password_file)]
    answer = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, **as_user(server_user())
    )
    if answer.returncode:
        raise CannotStart(f"initdb failed: {answer.stderr.strip() or answer.stdout.strip()}")


@contextmanager
def redis_server(program: str, port: int | None = None) -> Iterator[str]:
    """Run a Redis server that keeps nothing, on a free port unless one is named; gives its REDIS_URL."""
    with private_folder(None) as folder:
        port = port or free_port()
        command = [program, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)]
        command += ["--save", "", "--appendonly", "no"]

        def ready() -> bool:
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                    connection.sendall(b"PING\r\n")
                    return connection.recv(16).startswith(b"+PONG")
            except OSError:
                return False

        with running(command, ready=ready, log=folder / "log"):
            yield f"redis://127.0.0.1:{port}/0"
