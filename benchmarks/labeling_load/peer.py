"""The peer on the same machine in the same run: Label Studio, served as its deployment does, the same load.

It runs in an environment of its own (benchmarks/opponents/label-studio-1.23.txt) on a PostgreSQL like ours,
behind uwsgi with two processes for each core; no nginx stands before it, which only spares it work.
Each request comes by a connection of its own, as its server ends them. It sends nothing to its makers.

    python -m benchmarks.labeling_load.peer JOB.json    # its virtual labelers; started by the measurement
"""

import asyncio
import json
import os
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

from benchmarks import opponents
from benchmarks.labeling_load import client
from benchmarks.labeling_load.measure import Load, answers, servers
from tests.services.processes import free_port, running

NAME = "label-studio-1.23"
TASKS, LABELERS = 20_000, 40
WARM_UP_SECONDS = 15.0
"""The first request of each of its processes takes seconds."""
LEAST_SECONDS = 20.0
"""Forty people who wait two seconds each for an answer label in waves; a shorter run counts them by luck."""
PROCESSES = 2 * (os.cpu_count() or 1)
SERVER_OPTIONS = {
    "module": "core.wsgi:application",
    "processes": str(PROCESSES),
    "threads": "1",
    "buffer-size": "65535",
    "post-buffering": "4096",
    "max-requests": "5000",
    "harakiri": "120",
}
SERVER_FLAGS = ("master", "single-interpreter", "enable-threads", "thunder-lock", "lazy-apps", "need-app")
"""What Label Studio's own uwsgi.ini says of how requests are served; its file logging is off there too."""


def measure_peer(seconds: float) -> dict[str, Any]:
    """Fill, serve and load Label Studio; returns its figures under the names the bars are made from.

    raises  MissingOpponentError, RuntimeError
    """
    interpreter = opponents.python(NAME, alone=True)
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as pids:
        folder = Path(name)
        variables = _variables(folder, os.environ["DATABASE_URL"])
        code = next(interpreter.parent.parent.glob("lib/python*/site-packages/label_studio"))
        seeded = _prepare(interpreter, code, folder, variables)
        acknowledged = folder / "acknowledged"
        with _web(interpreter, code, folder, variables) as (port, web_pid):
            load = Load(
                port,
                seeded["tokens"],
                max(seconds, LEAST_SECONDS),
                False,
                acknowledged,
                client="benchmarks.labeling_load.peer",
                project=seeded["project"],
                warm_up_seconds=WARM_UP_SECONDS,
            )
            found = load.run(folder, {"postgres": pids["postgres"], "web": web_pid})
        with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
            row = connection.execute(
                "SELECT count(*), count(DISTINCT task_id) FROM task_completion"
            ).fetchone()
    assert row
    if found["labels"] == 0 or row[0] < found["acknowledged"]:
        raise RuntimeError(f"Label Studio did not label: {found}, {row[0]} annotations in its database")
    return {
        "peer": NAME,
        "served_by": f"uwsgi, {PROCESSES} processes",
        "tasks": TASKS,
        "seconds": max(seconds, LEAST_SECONDS),
        **found,
        "next_p95_ms": found["next_ms"]["p95"],
        "submit_p95_ms": found["submit_ms"]["p95"],
        "annotations": row[0],
        "tasks_annotated": row[1],
    }


def _variables(folder: Path, database_url: str) -> dict[str, str]:
    """Return the whole environment of Label Studio: its database, and nothing sent anywhere."""
    url = urlsplit(database_url)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "DJANGO_SETTINGS_MODULE": "core.settings.label_studio",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "BASE_DATA_DIR": str(folder),
        "APP_WEBSERVER": "uwsgi",
        "DJANGO_DB": "default",
        "POSTGRE_HOST": str(url.hostname),
        "POSTGRE_PORT": str(url.port),
        "POSTGRE_USER": str(url.username),
        "POSTGRE_PASSWORD": str(url.password),
        "POSTGRE_NAME": url.path.lstrip("/"),
        "COLLECT_ANALYTICS": "False",
        "LATEST_VERSION_CHECK": "0",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
    }


def _prepare(interpreter: Path, code: Path, folder: Path, variables: Mapping[str, str]) -> dict[str, Any]:
    """Migrate and fill; returns the project's number and the labelers' tokens."""
    out = folder / "seeded.json"
    seed = str(Path(__file__).with_name("peer_seed.py"))
    for arguments in (
        ["manage.py", "migrate", "--verbosity", "0"],
        [seed, str(TASKS), str(LABELERS), str(out)],
    ):
        done = subprocess.run(
            [str(interpreter), *arguments],
            cwd=code,
            env={**variables, "PYTHONPATH": str(code)},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"Label Studio, {arguments[0]}: {done.stderr[-2000:]}")
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    seeded: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return seeded


@contextmanager
def _web(
    interpreter: Path, code: Path, folder: Path, variables: Mapping[str, str]
) -> Iterator[tuple[int, int]]:
    """Serve it by uwsgi; gives the port and the pid of the server's first process."""
    port, pid_file = free_port(), folder / "uwsgi.pid"
    command = ["env", "-i", *(f"{name}={value}" for name, value in variables.items())]
    command += [
        str(interpreter),
        str(interpreter.with_name("pyuwsgi")),
        "--http",
        f"127.0.0.1:{port}",
        "--chdir",
        str(code),
    ]
    command += ["--pythonpath", str(code), "--pidfile", str(pid_file), "--disable-logging", "--die-on-term"]
    command += [f"--{flag}" for flag in SERVER_FLAGS]
    command += [part for option, value in SERVER_OPTIONS.items() for part in (f"--{option}", value)]

    def ready() -> bool:
        """Whether every process has loaded the application, and one answers."""
        loaded = (folder / "uwsgi.log").read_text(errors="replace").count("WSGI app 0")
        return loaded >= PROCESSES and answers(port, "/health")

    with running(command, ready=ready, log=folder / "uwsgi.log", seconds=180):
        yield port, int(pid_file.read_text())


class PeerLabeler(client.VirtualLabeler):
    """Asks Label Studio for the next task and posts an annotation, over and over."""

    def __init__(self, job: dict[str, Any], token: str, seed: int) -> None:
        super().__init__(job, token, seed)
        self.project: int = job["project"]

    async def one_label(self, counts_from: float, until: float) -> None:
        path = f"/api/projects/{self.project}/next"
        status, body = await self.call("GET", path, None, self.next_ms, counts_from)
        if status != 200:
            self.note(f"next {status}")
            await asyncio.sleep(client.PAUSE_AFTER_NOTHING)
            return
        task = json.loads(body)
        order = [item["id"] for item in task["data"]["items"]]
        self.chance.shuffle(order)
        ranking = {
            "from_name": "rank",
            "to_name": "answers",
            "type": "ranker",
            "value": {"ranker": {"rank": order}},
        }
        annotation = {"result": [ranking], "lead_time": 10.0}
        path = f"/api/tasks/{task['id']}/annotations/"
        status, _ = await self.call("POST", path, annotation, self.submit_ms, counts_from)
        if status != 201:
            self.note(f"submit {status}")
            return
        self.acknowledged.append(str(task["id"]))

    async def call(
        self, method: str, path: str, content: object, times: list[float], counts_from: float, extra: str = ""
    ) -> tuple[int, bytes]:
        """Send one request by a connection of its own."""
        answer = await super().call(method, path, content, times, counts_from, extra)
        if self.connection is not None and self.connection.transport is not None:
            self.connection.transport.close()
        self.connection = None
        return answer


if __name__ == "__main__":
    client.main(PeerLabeler)
