"""Hold or free prompts by another cap on the prompts of one author."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError
from labeling.rules.author_caps import change_author_cap, current_cap


class Command(BaseCommand):
    help = (
        "Let each customer have at most this many prompts in use from now on: later ones are held, held ones "
        "are freed. Without a number the cap in force is applied again. Labelers' prompts are not counted."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("cap", type=int, nargs="?")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        cap = current_cap() if options["cap"] is None else options["cap"]
        try:
            change = change_author_cap(cap=cap, by=None)
        except LabelingError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps(asdict(change)))
            return
        self.stdout.write(f"Held {change.held} prompts and freed {change.lifted}; none was lost.")
