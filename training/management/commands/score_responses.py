"""Let a reward model score the responses that people ranked."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError
from labeling.models import ResponseScore
from training.models import Model, RunState
from training.rlhf.config import ConfigError
from training.rules.response_scores import order_scores
from training.rules.run_execution import execute_run
from training.rules.run_inputs import find_inputs
from training.rules.runs import wait_for_run
from training.tasks import enqueue_run

A_DAY = 24 * 3600.0


class Command(BaseCommand):
    help = (
        "Score every ranked response that a reward model has not scored, so that each labeler's agreement "
        "with it can be shown."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--model", default="newest", help="reward model, by name or code")
        parser.add_argument("--wait", action="store_true", help="wait until the run has ended")
        parser.add_argument(
            "--here", action="store_true", help="do the run in this process, without a worker"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            model = find_inputs("evaluate", {"reward": options["model"]})["reward"]
            assert isinstance(model, Model)  # a reward model is no dataset
            run = order_scores(model=model)
        except ConfigError as error:
            raise CommandError("\n".join(error.problems)) from error
        except LabelingError as error:
            raise CommandError(error.message) from error
        if options["here"]:
            execute_run(run.code)
        else:
            enqueue_run(run)
            if options["wait"]:
                wait_for_run(run, timeout=A_DAY)
        run.refresh_from_db()
        if run.state in (RunState.FAILED, RunState.CANCELLED):
            raise CommandError(f"{run} {run.state}: {run.reason}\n{run.log_tail}".rstrip())
        scored = ResponseScore.objects.filter(scorer=model.code).count()
        if options["json"]:
            self.stdout.write(
                json.dumps(
                    {"run": str(run.code), "state": run.state, "model": str(model.code), "scored": scored}
                )
            )
        else:
            self.stdout.write(f"{model} has scored {scored} responses; run {run.code} is {run.state}.")
