"""Hold or free prompts by another cap on the prompts of one author."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.rules.prompts import IntakeSettings, apply_author_cap


class Command(BaseCommand):
    help = "Let each author have at most this many prompts in use: later ones are held, held ones are freed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("cap", type=int, nargs="?", default=IntakeSettings.author_cap)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["cap"] < 0:
            raise CommandError(f"The cap is {options['cap']}; it must be 0 or more.")
        counts = apply_author_cap(options["cap"])
        if options["json"]:
            self.stdout.write(json.dumps(counts))
            return
        self.stdout.write(f"Held {counts['held']} prompts and freed {counts['lifted']}; none was lost.")
