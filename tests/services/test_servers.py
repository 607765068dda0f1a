"""Private servers come up, answer, and are gone afterwards, whatever happens."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

from tests.services.machine import ROOT, find_postgres, find_redis
from tests.services.processes import CannotStart, free_port, private_folder, run_to_end, running
from tests.services.servers import postgres_server, redis_server


@pytest.fixture
def postgres_programs() -> Path:
    programs = find_postgres()
    if programs is None:
        pytest.skip("LEFT OUT: PostgreSQL is not installed")
    return programs


@pytest.fixture
def redis_program() -> str:
    program = find_redis()
    if program is None:
        pytest.skip("LEFT OUT: Redis is not installed")
    return program


def is_open(port: int | None) -> bool:
    """Say whether somebody listens on this port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port or 0)) == 0


def test_postgres_answers_to_its_password_only_and_is_gone_afterwards(postgres_programs: Path) -> None:
    with postgres_server(postgres_programs) as url:
        address = url.replace("/instructloop", "/postgres")
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(address, password="wrong")

    assert not is_open(urlsplit(url).port)


def test_postgres_stops_while_a_client_is_connected(postgres_programs: Path) -> None:
    with postgres_server(postgres_programs) as url:
        psycopg.connect(url.replace("/instructloop", "/postgres"))

    assert not is_open(urlsplit(url).port)


def test_redis_answers_and_is_gone_afterwards(redis_program: str) -> None:
    with redis_server(redis_program) as url, redis.Redis.from_url(url) as client:
        assert client.ping()

    assert not is_open(urlsplit(url).port)


def test_server_is_stopped_when_the_block_fails(redis_program: str) -> None:
    urls = []

    def fail_in_the_middle() -> None:
        with redis_server(redis_program) as url:
            urls.append(url)
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        fail_in_the_middle()
    assert not is_open(urlsplit(urls[0]).port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_server_is_stopped_when_the_harness_is_signalled(
    redis_program: str, number: signal.Signals, tmp_path: Path
) -> None:
    code = (
        "import signal, sys\n"
        "from tests.services.processes import Stopped, stop_on_signals\n"
        "from tests.services.servers import redis_server\n"
        "stop_on_signals()\n"
        "try:\n"
        "    with redis_server(sys.argv[1]) as url:\n"
        "        print(url, flush=True)\n"
        "        signal.pause()\n"
        "except Stopped as stopped:\n"
        "    sys.exit(stopped.status)\n"
    )
    harness = subprocess.Popen(
        [sys.executable, "-c", code, redis_program],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert harness.stdout is not None
    url = harness.stdout.readline().strip()
    client = redis.Redis.from_url(url)
    assert client.ping()
    harness.send_signal(number)
    status = harness.wait(30)
    harness.stdout.close()

    # The connection ends when the server has gone: no need to wait and look again.
    with pytest.raises(redis.ConnectionError):
        client.blpop(["nothing"], timeout=30)
    assert status == (-number if number == signal.SIGKILL else 128 + number)


def test_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('the port is taken')"]

    with (
        pytest.raises(CannotStart, match="the port is taken"),
        running(command, ready=lambda: False, log=tmp_path / "log"),
    ):
        pass


def test_command_that_runs_too_long_is_stopped_with_its_children() -> None:
    port = free_port()
    grandchild = (
        "import socket, signal; server = socket.socket(); "
        f"server.bind(('127.0.0.1', {port})); server.listen(); signal.pause()"
    )
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {grandchild!r}])"

    assert run_to_end([sys.executable, "-c", code], os.environ, seconds=1) == 124
    assert not is_open(port)


def test_private_folder_is_removed() -> None:
    with private_folder(None) as folder:
        (folder / "file").write_text("something")

    assert not folder.exists()
