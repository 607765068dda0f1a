"""Check everything, test everything, and say loudly what had to be left out.

    python -m tests.services [--only {checks,embedded,services}] [pytest's arguments]

Tests run on the embedded default (SQLite, file broker), then again on PostgreSQL and Redis: those that
DATABASE_URL and REDIS_URL name, else private servers from installed programs, else from packages of the
system, installed where that is possible. REQUIRE_SERVICES=1 makes anything left out a failure.
"""

import argparse
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import shorten

from tests.services.machine import (
    ROOT,
    find_chromium,
    find_postgres,
    find_real_data,
    find_redis,
    install_packages,
)
from tests.services.processes import CannotStart, Stopped, run_to_end, stop_on_signals
from tests.services.servers import postgres_server, redis_server

STEP_SECONDS = 1800
ONCE = (
    "tests/browser/test_accessibility.py",
    "tests/rlhf",
    "tests/services",
    "tests/test_architecture.py",
    "tests/test_configs.py",
    "tests/test_docs.py",
)
"""Tests that no database or broker can change: they run in the first pass only."""
PYTHON = sys.executable
PROGRAMS = Path(PYTHON).parent
TEMPLATES = tuple(str(path) for path in sorted((ROOT / "templates").rglob("*.html")))
CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("lint", (PYTHON, "-m", "ruff", "check", ".")),
    ("format", (PYTHON, "-m", "ruff", "format", "--check", ".")),
    ("templates", (PYTHON, "-m", "djhtml", "--check", *TEMPLATES)),
    ("template tags", (str(PROGRAMS / "djade"), "--check", "--target-version", "5.2", *TEMPLATES)),
    ("files", (PYTHON, ".ci/hygiene.py")),
    ("lock files", (PYTHON, ".ci/lock.py", "--check")),
    ("types", (PYTHON, "-m", "mypy")),
    ("migrations", (PYTHON, "manage.py", "makemigrations", "--check", "--dry-run")),
    (
        "API description",
        (PYTHON, "manage.py", "spectacular", "--validate", "--fail-on-warn", "--file", os.devnull),
    ),
)


@dataclass
class Report:
    """What ran, how it ended and how long it took; and what did not run."""

    steps: list[tuple[str, int, float]] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def run(self, name: str, command: Sequence[str], variables: Mapping[str, str]) -> None:
        """Run one step and note its end; a failed step does not keep the next from running."""
        print(f"\n=== {name}: {shorten(' '.join(command), 160, placeholder=' …')}", flush=True)
        start = time.monotonic()
        status = run_to_end(command, variables, STEP_SECONDS)
        self.steps.append((name, status, time.monotonic() - start))

    def leave_out(self, what: str, why: str) -> None:
        """Note something that could not run here."""
        self.left_out.append(f"{what}: {why}")

    def failed(self, *, required: bool) -> bool:
        """Say whether a step failed or, where everything is required, was left out."""
        return any(status for _, status, _ in self.steps) or (required and bool(self.left_out))

    def show(self, *, required: bool) -> None:
        """Print the end of the whole run."""
        print("\n=== summary")
        for name, status, seconds in self.steps:
            print(f"{'passed' if status == 0 else 'FAILED'}  {seconds:6.0f} s  {name}")
        for line in self.left_out:
            print(f"LEFT OUT{' (required)' if required else ''}  {line}")
        if not self.left_out:
            print("Nothing was left out.")
        sys.stdout.flush()


def pytest_command(arguments: Sequence[str]) -> list[str]:
    """Return the command of one pass over the tests, on as many processes as there are cores, 4 at most."""
    workers = min(os.cpu_count() or 1, 4)
    options = ["-q", "-n", str(workers), "--dist", "worksteal", "--durations", "8"]
    return [PYTHON, "-m", "pytest", *options, "-o", "faulthandler_timeout=300", *arguments]


def variables_of_a_pass(**services: str) -> dict[str, str]:
    """Return the environment of a pass: ours, without the services that it should not use."""
    variables = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
    }
    variables.pop("DATA_DIR", None)
    defaults = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    return {**defaults, **variables, **services, "DJANGO_SETTINGS_MODULE": "server.settings.test"}


def prepare_programs(report: Report, *, servers: bool) -> None:
    """Install what is missing where that is possible; note what is missing still."""
    wanted = {"Chromium": ("chromium", find_chromium() is not None)}
    if servers:
        named = os.environ
        wanted["PostgreSQL"] = ("postgresql", "DATABASE_URL" in named or find_postgres() is not None)
        wanted["Redis"] = ("redis-server", "REDIS_URL" in named or find_redis() is not None)
    missing = {name: package for name, (package, there) in wanted.items() if not there}
    if not missing:
        return
    print(f"Installing packages of the system: {', '.join(missing.values())}", flush=True)
    if reason := install_packages(list(missing.values())):
        for name in missing:
            report.leave_out(f"tests on {name}", f"it is not installed, and {reason}")


def run_on_services(report: Report, arguments: Sequence[str]) -> None:
    """Run the tests again on PostgreSQL and Redis, or on the one of them that is there."""
    services: dict[str, str] = {}
    postgres, redis = find_postgres(), find_redis()
    with ExitStack() as stack:
        if url := os.environ.get("DATABASE_URL"):
            services["DATABASE_URL"] = url
        elif postgres:
            try:
                services["DATABASE_URL"] = stack.enter_context(postgres_server(postgres))
            except CannotStart as error:
                report.leave_out("tests on PostgreSQL", str(error))
        if url := os.environ.get("REDIS_URL"):
            services["REDIS_URL"] = url
        elif redis:
            try:
                services["REDIS_URL"] = stack.enter_context(redis_server(redis))
            except CannotStart as error:
                report.leave_out("tests on Redis", str(error))
        if not services:
            return
        names = " and ".join(
            name for key, name in (("DATABASE_URL", "PostgreSQL"), ("REDIS_URL", "Redis")) if key in services
        )
        report.run(f"tests on {names}", pytest_command(arguments), variables_of_a_pass(**services))


def main() -> int:
    """Run the steps and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.services", description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=("checks", "embedded", "services"), help="one part instead of all")
    options, given = parser.parse_known_args()
    only: str | None = options.only
    required = os.environ.get("REQUIRE_SERVICES") == "1"
    os.chdir(ROOT)
    stop_on_signals()
    report = Report()
    try:
        if only in (None, "checks"):
            for name, command in CHECKS:
                report.run(name, command, variables_of_a_pass())
        if only != "checks":
            prepare_programs(report, servers=only != "embedded")
            if find_real_data() is None:
                print("There is no real data: tests on it are left out (INSTRUCTLOOP_DATA names its folder).")
        if only in (None, "embedded"):
            report.run("tests on SQLite and the file broker", pytest_command(given), variables_of_a_pass())
        if only in (None, "services"):
            run_on_services(report, given or [f"--ignore={path}" for path in ONCE])
    except Stopped as stopped:
        print(f"\nStopped by {stopped}.", flush=True)
        return stopped.status
    report.show(required=required)
    return 1 if report.failed(required=required) else 0


if __name__ == "__main__":
    sys.exit(main())
