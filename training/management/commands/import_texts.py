"""Freeze plain texts from a file into a dataset, for pretraining and the PPO-ptx term."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError, UnreadableFile
from labeling.rules.row_files import RowFile
from labeling.rules.texts import counted
from training.rules.datasets import freeze_texts

REFUSALS_SHOWN = 20


class Command(BaseCommand):
    help = "Freeze texts into a dataset for pretraining and PPO-ptx: text, optional corpus."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, help="JSONL or CSV, UTF-8, may be gzipped (.gz); or Parquet")
        parser.add_argument("--name", required=True, help="what to call the dataset")
        parser.add_argument(
            "--strict", action="store_true", help="all or nothing: one refused line keeps the file out"
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        path: Path = options["file"]
        refusals: list[str] = []
        try:
            texts = self._texts(RowFile(path), refusals, is_strict=options["strict"])
            dataset = freeze_texts(name=options["name"], texts=texts)
        except UnreadableFile as error:
            raise CommandError(str(error)) from error
        except LabelingError as error:
            self._report(refusals)
            raise CommandError(error.message) from error
        if options["json"]:
            report = {
                "code": str(dataset.code),
                "kind": dataset.kind,
                "hash": dataset.hash,
                "rows": dataset.rows,
                "counts": dataset.counts,
                "dropped": dataset.manifest["dropped"],
                "refusals": refusals,
            }
            self.stdout.write(json.dumps(report, ensure_ascii=False))
            return
        self._report(refusals)
        counts = ", ".join(f"{count} {split}" for split, count in dataset.counts.items())
        self.stdout.write(f"code {dataset.code}\nhash {dataset.hash}")
        self.stdout.write(
            f"Froze {counted(dataset.rows, 'text')} ({counts}); refused {counted(len(refusals), 'line')}."
        )

    def _texts(self, rows: RowFile, refusals: list[str], *, is_strict: bool) -> Iterator[Mapping[str, Any]]:
        """Yield the texts of the lines that can be taken, and note the others with their reasons."""
        for line in rows:
            values = line.values or {}
            problem = line.fault or _problem(values)
            if problem:
                refusals.append(f"line {line.number}: {problem}")
            else:
                yield {key: values[key] for key in ("text", "corpus") if key in values}
        if is_strict and refusals:
            self._report(refusals)
            raise CommandError(
                f"Nothing was taken: {len(refusals)} lines were refused, and --strict was given."
            )

    def _report(self, refusals: list[str]) -> None:
        for refusal in refusals[:REFUSALS_SHOWN]:
            self.stderr.write(refusal)
        if len(refusals) > REFUSALS_SHOWN:
            self.stderr.write(f"and {len(refusals) - REFUSALS_SHOWN} more refused lines")


def _problem(values: Mapping[str, Any]) -> str:
    """Return why a row is no text, empty where it is one."""
    text, corpus = values.get("text"), values.get("corpus", "")
    if not isinstance(text, str):
        return f'"text" is {"missing" if text is None else type(text).__name__}; allowed is a text'
    if not text.strip():
        return '"text" is empty'
    return "" if isinstance(corpus, str) else f'"corpus" is {type(corpus).__name__}; allowed is a text'
