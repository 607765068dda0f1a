"""The demo with several seeds, each a process of its own with its own data folder, a few side by side."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from django.conf import settings
from rich.console import Console

SERVICES = ("DATABASE_URL", "REDIS_URL", "ARTIFACTS_URL")


def run_seeds(count: int, *, at_once: int, console: Console) -> tuple[list[Mapping[str, Any]], list[str]]:
    """Run the demo with seeds 1 to `count`. Returns the reports, and a sentence for each that has none."""
    reports: list[Mapping[str, Any]] = []
    failures: list[str] = []
    with ThreadPoolExecutor(max_workers=at_once) as pool:
        for seed, (report, words) in zip(
            range(1, count + 1), pool.map(_run_seed, range(1, count + 1)), strict=True
        ):
            if report is None:
                failures.append(f"Seed {seed} has no result: {words}")
            else:
                reports.append(report)
            console.print(f"Seed {seed} done." if report else f"Seed {seed} failed.", highlight=False)
    return reports, failures


def _run_seed(seed: int) -> tuple[Mapping[str, Any] | None, str]:
    """Run one demo in a folder of its own, with a thread for each run."""
    folder = Path(settings.DATA_DIR) / "seeds" / str(seed)
    folder.mkdir(parents=True, exist_ok=True)
    environment = {key: value for key, value in os.environ.items() if key not in SERVICES}
    environment |= {"DATA_DIR": str(folder), "SERVE": "0"}
    command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "demo", f"--seed={seed}", "--json"]
    with (folder / "demo.log").open("w") as log:
        done = subprocess.run(
            [*command, "--fresh"], env=environment, stdout=subprocess.PIPE, stderr=log, text=True, check=False
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if lines:
        report: Mapping[str, Any] = json.loads(lines[-1])
        return report, ""
    return None, "\n".join((folder / "demo.log").read_text().splitlines()[-10:])
