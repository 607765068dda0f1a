"""Pages and workers start together and stop together."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from server import serve
from tests.services.machine import ROOT
from tests.services.processes import free_port, stop


def test_every_queue_has_its_worker_and_one_has_the_clock() -> None:
    commands = serve.worker_commands()

    assert [command[command.index("--queues") + 1] for command in commands] == [
        "default",
        "gpu",
        "playground",
    ]
    assert sum("--beat" in command for command in commands) == 1


def test_all_stop_when_one_ends(capfd: pytest.CaptureFixture[str]) -> None:
    waiting = [sys.executable, "-c", "import signal; signal.pause()"]
    ending = [sys.executable, "-c", "raise SystemExit(5)"]

    assert serve.serve([waiting, ending]) == 1
    assert "python ended with status 5" in capfd.readouterr().err


def test_server_answers_and_stops_on_a_signal(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    variables = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
    }
    variables |= {"DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "server.settings.demo"}
    child = subprocess.Popen(
        [sys.executable, "-u", "-m", "server.serve", "--address", address, "--only", "web"],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert child.stderr is not None
        assert any("Booting worker" in line for line in child.stderr)  # reads until gunicorn says so
        with urlopen(f"http://{address}/healthz", timeout=30) as answer:
            assert answer.status == 200
        probe = [sys.executable, "-m", "server.probe", f"http://{address}/healthz"]
        assert subprocess.run(probe, cwd=ROOT, check=False).returncode == 0
        child.send_signal(signal.SIGTERM)
        child.stderr.close()
        assert child.wait(30) == 0
        assert subprocess.run(probe, cwd=ROOT, check=False, stderr=subprocess.DEVNULL).returncode == 1
    finally:
        stop(child)
