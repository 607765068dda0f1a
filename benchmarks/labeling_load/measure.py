"""Servers up, rows in, load on, figures out."""

import json
import os
import platform
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg
import redis

from benchmarks.labeling_load.cpu import cpu_seconds
from server.serve import production_web_command
from tests.services.machine import ROOT, find_postgres, find_redis
from tests.services.processes import CannotStart, free_port, running
from tests.services.servers import postgres_server, redis_server

POSTGRES_SETTINGS = ("shared_buffers=512MB", "max_wal_size=4GB", "effective_cache_size=4GB")
"""What docs/operations.md advises; everything about durability stays as PostgreSQL has it."""
LABELERS = (1, 40, 200)
SIZES = (20_000, 1_000_000)
QUICK_SIZES = (2_000, 20_000)
CLAIMS_PER_MINUTE = "1000000"
"""Nobody is to be slowed down by the limit on claims of one person; it is counted all the same."""
PEER = {
    "labels_per_second": 9.3,
    "cpu_ms_per_label": 205.0,
    "next_p95_ms": 2400.0,
    "submit_p95_ms": 2400.0,
}
"""Label Studio 1.23 with 40 labelers on 20,000 tasks, as once measured; --peer measures it anew."""


def measure(
    *,
    quick: bool = False,
    seconds: float | None = None,
    slots: Sequence[int] = (),
    measure_peer: Callable[[float], dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Measure the peer where asked for, then each number of open slots with each number of labelers."""
    if seconds is None:
        seconds = 6.0 if quick else 30.0
    load = [os.getloadavg()[0]]
    peer = measure_peer(seconds) if measure_peer else PEER
    sizes = [_measure_size(count, seconds) for count in slots or (QUICK_SIZES if quick else SIZES)]
    load.append(os.getloadavg()[0])
    return {
        "machine": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "load_before_and_after": [round(value, 1) for value in load],
        "seconds": seconds,
        "peer": peer,
        "sizes": sizes,
        "bars": _bars(sizes, peer),
    }


def _bars(sizes: list[dict[str, Any]], peer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Compare 40 labelers with the peer's figures, and the largest size with the smallest."""
    small, large = (
        next(run for run in size["runs"] if run["labelers"] == 40) for size in (sizes[0], sizes[-1])
    )
    lost = sum(
        size["check"]["over_assignments"] + size["check"]["acknowledged_missing_from_export"]
        for size in sizes
    )
    found = [
        ("CPU ms per label", small["cpu_ms_per_label"], peer["cpu_ms_per_label"] / 15, False),
        ("labels per second", small["labels_per_second"], peer["labels_per_second"] * 15, True),
        ("next, p95 ms", small["next_ms"]["p95"], peer["next_p95_ms"] / 10, False),
        ("submit, p95 ms", small["submit_ms"]["p95"], peer["submit_p95_ms"] / 10, False),
        ("CPU ms per label, largest", large["cpu_ms_per_label"], 1.1 * small["cpu_ms_per_label"], False),
        ("given twice or lost", lost, 0, False),
    ]
    return [
        {
            "what": what,
            "measured": measured,
            "bar": round(bar, 1),
            "passed": measured >= bar if more_is_better else measured <= bar,
        }
        for what, measured, bar, more_is_better in found
    ]


def _measure_size(slots: int, seconds: float) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as name, servers(Path(name)) as pids:
        folder = Path(name)
        began = time.monotonic()
        seeded = prepare(slots, max(LABELERS), folder)
        filled = time.monotonic() - began
        files: list[Path] = []
        runs: list[dict[str, Any]] = []
        with web(folder) as (port, web_pid):
            for labelers in LABELERS:
                for with_draft in (False, True) if labelers == 40 else (False,):
                    acknowledged = folder / f"acknowledged-{len(files)}"
                    files.append(acknowledged)
                    load = Load(port, seeded["tokens"][:labelers], seconds, with_draft, acknowledged)
                    runs.append(load.run(folder, {**pids, "web": web_pid}))
        return {
            "open_slots": slots,
            "seconds_to_fill": round(filled, 1),
            "seconds_to_open_the_batch": seeded["seconds_to_open"],
            "runs": runs,
            "check": _last_json(_python("benchmarks.labeling_load.check", *map(str, files))),
            "plan_of_a_claim": _last_json(_python("benchmarks.labeling_load.plan")),
        }


class Load:
    """One number of labelers at full speed against a served web."""

    def __init__(
        self,
        port: int,
        tokens: Sequence[str],
        seconds: float,
        with_draft: bool,
        acknowledged: Path,
        client: str = "benchmarks.labeling_load.client",
        **more: Any,
    ) -> None:
        self.client = client
        self.job: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": port,
            "tokens": list(tokens),
            "seconds": seconds,
            "warm_up_seconds": max(2.0, seconds / 5),
            "with_draft": with_draft,
            "acknowledged_file": str(acknowledged),
            **more,
        }

    def run(self, folder: Path, pids: Mapping[str, int]) -> dict[str, Any]:
        """Run the client and read the servers' CPU time when it starts and ends measuring."""
        job_file = folder / "job.json"
        job_file.write_text(json.dumps(self.job), encoding="utf-8")
        command = [sys.executable, "-m", self.client, str(job_file)]
        marks: list[tuple[float, dict[str, float]]] = []
        last = ""
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            for line in client.stdout:
                last = line
                if line.startswith("measur"):
                    marks.append((time.monotonic(), {n: cpu_seconds([pid]) for n, pid in pids.items()}))
        if client.returncode:
            raise RuntimeError("the virtual labelers crashed; their words stand above")
        found = json.loads(last)
        (start, before), (end, after) = marks
        labels = found.pop("labels")
        cpu_ms = {name: 1000 * (after[name] - before[name]) / max(labels, 1) for name in pids}
        client_seconds = found.pop("client_cpu_seconds")
        return {
            "labelers": len(self.job["tokens"]),
            "with_draft": self.job["with_draft"],
            "labels": labels,
            "labels_per_second": round(labels / (end - start), 1),
            "cpu_ms_per_label": round(sum(cpu_ms.values()), 2),
            "cpu_ms_by_part": {name: round(ms, 2) for name, ms in cpu_ms.items()},
            "client_cpu_fraction": round(client_seconds / (end - start) / (os.cpu_count() or 1), 3),
            **found,
        }


@contextmanager
def servers(folder: Path) -> Iterator[dict[str, int]]:
    """Run a PostgreSQL that keeps its promises and a Redis, named in the environment; gives their pids."""
    programs, program = find_postgres(), find_redis()
    if programs is None or program is None:
        raise CannotStart("this benchmark needs PostgreSQL and Redis installed")
    with postgres_server(programs, settings=POSTGRES_SETTINGS) as url, redis_server(program) as redis_url:
        with psycopg.connect(url.replace("/instructloop", "/postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE instructloop")
            backend = connection.info.backend_pid
        postgres = int(Path(f"/proc/{backend}/stat").read_text().rpartition(")")[2].split()[1])
        with environment(folder, url, redis_url):
            yield {"postgres": postgres, "redis": int(redis.from_url(redis_url).info("server")["process_id"])}


@contextmanager
def environment(folder: Path, database_url: str, redis_url: str) -> Iterator[None]:
    """Set the variables of a production server while the block runs."""
    before = dict(os.environ)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="server.settings.production",
        SECRET_KEY=secrets.token_urlsafe(64),
        ALLOWED_HOSTS="127.0.0.1",
        HTTPS_ONLY="no",
        DATA_DIR=str(folder / "data"),
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        CLAIMS_PER_MINUTE=CLAIMS_PER_MINUTE,
        PYTHONPATH=str(ROOT),
    )
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def prepare(slots: int, labelers: int, folder: Path) -> dict[str, Any]:
    """Migrate and fill the database; returns the labelers' tokens and how long opening the batch took."""
    for command in (("migrate", "--verbosity", "0"), ("collectstatic", "--noinput", "--verbosity", "0")):
        subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, check=True)
    out = folder / "seeded.json"
    _python(
        "benchmarks.labeling_load.seed", "--slots", str(slots), "--labelers", str(labelers), "--out", str(out)
    )
    seeded: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return seeded


@contextmanager
def web(folder: Path, **options: Any) -> Iterator[tuple[int, int]]:
    """Serve as in production; gives the port and the pid of the server's first process."""
    port, pid_file = free_port(), folder / "web.pid"
    command = production_web_command(f"127.0.0.1:{port}", **options)
    command += ["--chdir", str(ROOT), "--pid", str(pid_file)]

    with running(command, ready=lambda: answers(port, "/healthz"), log=folder / "web.log", seconds=120):
        yield port, int(pid_file.read_text())


def answers(port: int, path: str) -> bool:
    """Whether a server on this machine answers 200."""
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _python(module: str, *arguments: str) -> str:
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def _last_json(output: str) -> Any:
    found: Any = json.loads(output.strip().splitlines()[-1])
    return found
