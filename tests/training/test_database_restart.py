"""PostgreSQL restarted in the middle of a run and of a visit: the run goes on, the page says what to do."""

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings

from server.serve import web_command
from tests.services.machine import find_postgres
from tests.services.processes import free_port, private_folder, running, server_user
from tests.services.servers import FAST_AND_FORGETFUL, create_cluster, postgres_on

STEPS = 400
SECONDS = 240
NOT_OURS = ("REDIS_URL", "PYTEST_XDIST_WORKER")  # another broker, and a folder below the one that is given
SEED = """
from django.conf import settings
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
from tests.factories import UserFactory
from tests.training.real_worker import tiny_run
dana = UserFactory.create(name="Dana", role="researcher")
browser = Client()
browser.force_login(dana)
session = browser.cookies[settings.SESSION_COOKIE_NAME]
run = tiny_run({steps})
print("\\n" + json.dumps({{"run": str(run.code), "cookie": f"{{session.key}}={{session.value}}"}}))
"""
WORK = "from training.rules.run_execution import execute_run; print(execute_run('{run}'))"
ASK = """
from training.models import Model, Run
run = Run.objects.get()
facts = {"state": run.state, "attempt": run.attempt, "points": run.points.count()}
print("\\n" + json.dumps({**facts, "models": Model.objects.count()}))
"""


def start(program: str, environment: dict[str, str], **outputs: Any) -> "subprocess.Popen[bytes]":
    """Start a Python process with Django set up."""
    command = [sys.executable, "-c", f"import django, json; django.setup()\n{program}"]
    return subprocess.Popen(command, cwd=django_settings.BASE_DIR, env=environment, **outputs)


def answer(program: str, environment: dict[str, str]) -> dict[str, Any]:
    """Run a program to its end and read the JSON on its last line."""
    process = start(program, environment, stdout=subprocess.PIPE)
    said, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"waited {SECONDS} seconds for {what}"
        time.sleep(0.05)


def see(url: str, cookie: str = "") -> tuple[int, str]:
    """Ask for a page; returns its status and text."""
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers={"Cookie": cookie}), timeout=60
        ) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.slow
def test_database_restarted_in_the_middle_of_a_run_and_of_a_visit(tmp_path: Path) -> None:
    programs = find_postgres()
    if programs is None:
        pytest.skip("LEFT OUT: PostgreSQL is not installed")
    with private_folder(server_user()) as folder:
        password = folder / "password"
        password.write_text("restarted", encoding="ascii")
        password.chmod(0o644)
        create_cluster(programs, folder, password)
        port = free_port()
        environment = {
            **{name: value for name, value in os.environ.items() if name not in NOT_OURS},
            "DATABASE_URL": f"postgres://tests:restarted@127.0.0.1:{port}/postgres",
            "DATA_DIR": str(tmp_path / "data"),
            "DJANGO_SETTINGS_MODULE": "server.settings.test",
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(django_settings.BASE_DIR),
        }
        (tmp_path / "data").mkdir()
        restart_in_the_middle(programs, folder, port, environment, tmp_path)


def restart_in_the_middle(
    programs: Path, folder: Path, port: int, environment: dict[str, str], tmp_path: Path
) -> None:
    """Start a run and a web server, take the database away under both, and give it back."""
    with postgres_on(programs, folder, port, FAST_AND_FORGETFUL):
        made = answer(SEED.format(steps=STEPS), environment)
        log = tmp_path / "worker.log"
        with log.open("wb") as output:
            worker = start(WORK.format(run=made["run"]), environment, stdout=output, stderr=output)
        checkpoints = tmp_path / "data" / "runs" / made["run"] / "checkpoints"
        wait_until(lambda: list(checkpoints.glob("step-*/manifest.json")) or worker.poll(), "a checkpoint")
    try:
        page = f"http://127.0.0.1:{free_port()}"
        with serving(page, environment, tmp_path / "web.log"):
            wait_until(lambda: "The database is away" in log.read_text(), "the worker to notice")
            status, text = see(f"{page}/runs/", made["cookie"])
            assert status == 500
            assert "Please try again in a minute." in text
            assert see(f"{page}/healthz")[0] == 503
            with postgres_on(programs, folder, port, FAST_AND_FORGETFUL):
                status, text = see(f"{page}/runs/", made["cookie"])
                assert status == 200
                assert "Pretraining run 1" in text
                assert worker.wait(SECONDS) == 0
                found = answer(ASK, environment)
        assert found == {"state": "finished", "attempt": 1, "points": STEPS, "models": 1}
    finally:
        worker.kill()


def serving(page: str, environment: dict[str, str], log: Path) -> Any:
    """Serve the pages while the block runs."""
    address = page.removeprefix("http://")

    def ready() -> bool:
        try:
            see(page)
        except OSError:
            return False
        return True

    command = ["env", *(f"{name}={value}" for name, value in environment.items()), *web_command(address)]
    return running(command, ready=ready, log=log, seconds=60)
