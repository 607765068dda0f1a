"""Run the whole loop at toy scale, show what came of it, and serve the result."""

import json
import os
import sys
from argparse import ArgumentParser
from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console

from server.serve import serve, web_command, worker_commands
from training.demo.loop import DemoFailed
from training.demo.plan import Plan
from training.demo.report import show_report, show_seeds
from training.demo.scene import ensure_place, run_demo
from training.demo.seeds import run_seeds
from training.demo.workers import WorkerGone

WIDTH = 130
"""Columns where the output goes to a file."""


class Command(BaseCommand):
    help = (
        "Turn the loop once with simulated labelers: base model, SFT, reward model, PPO and PPO-ptx, and the "
        "table of what came of it; then serve the pages (SERVE=0: do not). Called again it goes on where it "
        "was interrupted. BASE_MODEL names other weights to start from."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=1, help="seed of the world and of all runs")
        parser.add_argument("--seeds", type=int, default=0, help="turn it with that many seeds, and compare")
        parser.add_argument("--at-once", type=int, default=2, help="seeds side by side, a thread each")
        parser.add_argument(
            "--threads", type=int, default=1, help="threads of each run; two runs work at once"
        )
        parser.add_argument("--fresh", action="store_true", help="put an earlier demo aside and begin anew")
        parser.add_argument(
            "--address", default="127.0.0.1:8000", help="where to serve (default: %(default)s)"
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object; progress goes to stderr"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        console = Console(stderr=options["json"], width=None if sys.stdout.isatty() else WIDTH)
        if options["seeds"]:
            self._seeds(options, console)
            return
        plan = replace(Plan(), seed=options["seed"], base_model=os.environ.get("BASE_MODEL", ""))
        try:
            ensure_place(fresh=options["fresh"])
            report = run_demo(plan, console, threads=options["threads"])
        except (DemoFailed, WorkerGone) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(report.as_mapping()))
        else:
            show_report(report, console)
        failures = report.failures()
        for failure in failures:
            self.stderr.write(failure)
        if os.environ.get("SERVE", "1") != "0":
            self._serve(options["address"])
        if failures:
            raise CommandError("The loop ran, but PPO did not beat SFT as it must.")

    def _seeds(self, options: dict[str, Any], console: Console) -> None:
        reports, failures = run_seeds(options["seeds"], at_once=options["at_once"], console=console)
        for failure in failures:
            self.stderr.write(failure)
        if not reports:
            raise CommandError("No seed came to its end.")
        summary = show_seeds(reports, console)
        if options["json"]:
            self.stdout.write(json.dumps({**summary, "reports": reports}))
        if failures or min(summary["wins"].values()) < 0.8 * options["seeds"]:
            raise CommandError("PPO and PPO-ptx must beat SFT in at least four of five seeds.")

    def _serve(self, address: str) -> None:
        self.stderr.write(f"Serving on http://{address}/ - stop with Ctrl-C.")
        self.stderr.flush()
        status = serve([web_command(address), *worker_commands()])
        if status:
            sys.exit(status)
