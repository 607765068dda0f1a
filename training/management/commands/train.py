"""Check a run's config, queue the run and, if asked, wait for it: what the dashboard's button does."""

import json
import tomllib
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from training.models import Run, RunState, Stage
from training.rlhf.config import (
    ConfigError,
    apply_overrides,
    parse_config,
    shipped_config,
    shipped_names,
    to_mapping,
)
from training.rules.run_execution import execute_run
from training.rules.run_inputs import NEWEST, Input, find_inputs
from training.rules.runs import create_run, wait_for_run
from training.tasks import enqueue_run

A_WEEK = 7 * 24 * 3600.0


class Command(BaseCommand):
    help = (
        "Start a training run. Inputs are datasets and models of the registry, by code, name or hash: "
        "--set inputs.policy=NAME. What is not named is the newest that fits."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("stage", choices=Stage.values)
        parser.add_argument(
            "--config", metavar="FILE", help=f"a TOML file, or one of: {', '.join(shipped_names())}"
        )
        parser.add_argument(
            "--set", action="append", default=[], metavar="KEY=VALUE", help="change one setting; repeatable"
        )
        parser.add_argument("--name", default="", help="what to call the model")
        parser.add_argument("--wait", action="store_true", help="wait until the run has ended")
        parser.add_argument("--timeout", type=float, default=A_WEEK, help="most seconds to wait")
        parser.add_argument(
            "--here", action="store_true", help="do the run in this process, without a worker"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        stage = options["stage"]
        try:
            mapping, inputs = self._read(stage, self._mapping(stage, options["config"]), options["set"])
            run = create_run(stage=stage, config=mapping, inputs=inputs, model_name=options["name"])
        except ConfigError as error:
            raise CommandError("\n".join(error.problems)) from error
        if options["here"]:
            execute_run(run.code)
        else:
            enqueue_run(run)
        if options["wait"]:
            try:
                wait_for_run(run, timeout=options["timeout"])
            except TimeoutError as error:
                raise CommandError(str(error)) from error
        run.refresh_from_db()
        if options["json"]:
            self.stdout.write(json.dumps(_report(run)))
        if run.state == RunState.FAILED:
            raise CommandError(f"{run} failed: {run.reason}\n{run.log_tail}".rstrip())
        if run.state == RunState.CANCELLED:
            raise CommandError(f"{run} was cancelled: {run.reason}")
        if not options["json"]:
            for name, value in run.result.items():
                self.stdout.write(f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}")
            made = f", made {run.model}" if hasattr(run, "model") else ""
            self.stdout.write(f"code {run.code}\n1 {stage} run is {run.state}{made}.")

    def _read(
        self, stage: str, mapping: dict[str, Any], overrides: list[str]
    ) -> tuple[dict[str, Any], dict[str, Input]]:
        """Return the config with its overrides, and its inputs. Raises ConfigError with every problem."""
        problems: list[str] = []
        inputs: dict[str, Input] = {}
        for override in overrides:
            try:
                mapping = apply_overrides(mapping, [override])
            except ConfigError as error:
                problems += error.problems
        try:
            inputs = find_inputs(stage, _named(mapping.get("inputs", {})))
        except ConfigError as error:
            problems += error.problems
        if problems:
            try:
                parse_config(stage, {key: value for key, value in mapping.items() if key != "inputs"})
            except ConfigError as error:
                problems += error.problems
            raise ConfigError(problems)
        return mapping, inputs

    def _mapping(self, stage: str, config: str | None) -> dict[str, Any]:
        if config is None:
            return {"stage": stage}
        path = Path(config)
        if not path.is_file() and config in shipped_names():
            return to_mapping(shipped_config(config))
        try:
            return {"stage": stage, **tomllib.loads(path.read_text(encoding="utf-8"))}
        except FileNotFoundError:
            names = ", ".join(shipped_names())
            raise CommandError(
                f"There is no file {config} and no config of that name; there are {names}."
            ) from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise CommandError(f"{config} is not valid TOML: {error}.") from None


def _named(inputs: Mapping[str, str]) -> dict[str, str]:
    """Return which inputs are named; a path inside the run folder means the newest that fits."""
    return {name: NEWEST if value.startswith("inputs/") else value for name, value in inputs.items()}


def _report(run: Run) -> dict[str, Any]:
    return {
        "code": str(run.code),
        "stage": run.stage,
        "state": run.state,
        "reason": run.reason,
        "result": run.result,
        "model": run.model.name if hasattr(run, "model") else None,
    }
