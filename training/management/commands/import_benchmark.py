"""Import a file of a public evaluation set."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError
from labeling.rules.texts import counted
from training.rules.benchmark_files import import_benchmark_file
from training.rules.benchmark_sets import FORMS, OWN, SETS

REFUSALS_SHOWN = 20


class Command(BaseCommand):
    help = "Freeze the questions of a public evaluation set into a dataset, with the checksum of its file."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("set", choices=[*SETS, OWN])
        parser.add_argument("file", type=Path, help="JSONL, CSV or Parquet with rows as the set is published")
        parser.add_argument("--few-shot", type=Path, help="solved examples of the same set")
        parser.add_argument("--form", choices=list(FORMS), default="", help="of own questions")
        parser.add_argument("--name", default="", help="what to call the dataset")
        parser.add_argument("--license", default="", help="kept beside the checksum")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            dataset, refused = import_benchmark_file(
                key=options["set"],
                path=options["file"],
                examples=options["few_shot"],
                form=options["form"],
                name=options["name"],
                license=options["license"],
            )
        except LabelingError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            report = {
                "code": str(dataset.code),
                "hash": dataset.hash,
                "counts": dataset.counts,
                "file_sha256": dataset.manifest["selection"]["sha256"],
                "refused": refused,
            }
            self.stdout.write(json.dumps(report, ensure_ascii=False))
            return
        for why in refused[:REFUSALS_SHOWN]:
            self.stderr.write(why)
        counts = f"{dataset.counts['test']} questions and {dataset.counts.get('train', 0)} solved examples"
        self.stdout.write(f"code {dataset.code}\nhash {dataset.hash}")
        self.stdout.write(f"Froze {counts} of {dataset.name}; refused {counted(len(refused), 'line')}.")
