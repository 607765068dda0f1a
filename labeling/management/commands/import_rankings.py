"""Import rankings from a file."""

from argparse import ArgumentParser
from typing import Any

from labeling.management.importing import ImportCommand, ImportRequest
from labeling.models import Cohort, Intake
from labeling.rules import ranking_imports


class Command(ImportCommand):
    help = (
        "Take rankings in: prompt, responses, ranks (1 best, equal ties), labeler, optional likert, flags, "
        "notes; or chosen and rejected, as public preference sets have them."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--cohort",
            choices=Cohort.values,
            default=Cohort.TRAIN,
            help="group of labelers that are new; held-out ones never train (default: %(default)s)",
        )

    def take(self, request: ImportRequest, options: dict[str, Any]) -> Intake:
        return ranking_imports.import_rankings(**vars(request), cohort=options["cohort"])
