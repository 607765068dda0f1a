"""Freeze labels into a dataset and, if asked, copy its files out."""

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError
from labeling.models import Cohort, PromptSource
from labeling.rules.texts import counted
from training.models import Dataset
from training.rules import artifacts
from training.rules.dataset_formats import FORMATS, NATIVE, write_dataset
from training.rules.datasets import freeze_dataset

KINDS = ("sft", "comparisons", "ppo_prompts", "evaluation", "toxicity")


class Command(BaseCommand):
    help = "Freeze labels into a dataset with a manifest and a hash."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kind", choices=KINDS)
        parser.add_argument("--out", type=Path, metavar="DIR", help="copy the files into this empty folder")
        parser.add_argument(
            "--format", choices=FORMATS, default=NATIVE, help="of the files in --out (default %(default)s)"
        )
        parser.add_argument("--name", default="", help="what to call it")
        parser.add_argument(
            "--batch", action="append", default=[], metavar="CODE", help="only labels of this batch"
        )
        parser.add_argument(
            "--source", action="append", default=[], choices=PromptSource.values, help="only these prompts"
        )
        parser.add_argument(
            "--cohort", action="append", default=[], choices=Cohort.values, help="labels of these labelers"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        out: Path | None = options["out"]
        if out is None and options["format"] != NATIVE:
            raise CommandError("--format is of the files that --out writes; name a folder with --out.")
        if out is not None and out.exists() and any(out.iterdir()):
            raise CommandError(f"{out} is not empty; name a folder that is.")
        chosen = {"batches": options["batch"], "sources": options["source"], "cohorts": options["cohort"]}
        selection = {key: value for key, value in chosen.items() if value}
        try:
            dataset = freeze_dataset(kind=options["kind"], selection=selection, name=options["name"])
        except LabelingError as error:
            raise CommandError(error.message) from error
        self._copy_out(dataset, out, options["format"])
        if options["json"]:
            report = {
                "code": str(dataset.code),
                "kind": dataset.kind,
                "hash": dataset.hash,
                "rows": dataset.rows,
                "counts": dataset.counts,
                "dropped": dataset.manifest["dropped"],
                "out": str(out) if out else None,
                "format": options["format"],
            }
            self.stdout.write(json.dumps(report))
            return
        counts = ", ".join(f"{count} {split}" for split, count in dataset.counts.items())
        dropped = ", ".join(f"{count} {reason}" for reason, count in dataset.manifest["dropped"].items())
        self.stdout.write(f"code {dataset.code}\nhash {dataset.hash}")
        if out is not None:
            self.stdout.write(f"files in {out}")
        self.stdout.write(
            f"Froze {counted(dataset.rows, 'record')} ({counts}); left out: {dropped or 'none'}."
        )

    def _copy_out(self, dataset: Dataset, out: Path | None, form: str) -> None:
        if out is None:
            return
        if form == NATIVE:
            artifacts.place(dataset.folder, out, may_link=False)
            return
        try:
            write_dataset(dataset, out, form)
        except LabelingError as error:
            raise CommandError(error.message) from error
