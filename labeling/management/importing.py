"""What the import commands share: options, progress, the report, and when to fail."""

import json
import sys
from abc import abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from labeling.errors import StrictImport, UnreadableFile
from labeling.models import Intake, PromptSource
from labeling.rules.author_caps import OVER_CAP
from labeling.rules.intake import ACCEPTED, DUPLICATE, MALFORMED, WITHHELD
from labeling.rules.prompts import IntakeSettings
from labeling.rules.row_files import RowFile

REFUSALS_SHOWN, REFUSALS_IN_JSON = 20, 1000


@dataclass(frozen=True)
class ImportRequest:
    """What a command hands to its rule."""

    rows: RowFile
    source: str
    file_name: str
    strict: bool
    settings: IntakeSettings
    progress: Callable[[int], None]


class ImportCommand(BaseCommand):
    """Read a file, hand its lines to a rule, report every line that was refused."""

    default_source: str = PromptSource.PLAYGROUND

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Add what every import takes."""
        parser.add_argument("file", type=Path, help="JSONL or CSV, UTF-8, may be gzipped (.gz); or Parquet")
        parser.add_argument(
            "--source",
            choices=PromptSource.values,
            default=self.default_source,
            help="where the prompts came from (default: %(default)s)",
        )
        parser.add_argument(
            "--strict", action="store_true", help="all or nothing: one refused line keeps the file out"
        )
        parser.add_argument("--json", action="store_true", help="print the report as one JSON object")
        parser.add_argument(
            "--languages",
            default="",
            metavar="CODES",
            help="let in only these, such as en,de; prompts too short to tell are let in (default: all)",
        )
        parser.add_argument(
            "--max-tokens",
            type=int,
            default=IntakeSettings.max_tokens,
            help="longest prompt, in approximate tokens (default: %(default)s)",
        )

    @abstractmethod
    def take(self, request: ImportRequest, options: dict[str, Any]) -> Intake:
        """Call the rule that takes the rows."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the import and report it; the exit status is not zero if nothing could go in."""
        path: Path = options["file"]
        try:
            intake = self._run(RowFile(path), path, options)
        except UnreadableFile as error:
            raise CommandError(str(error)) from error
        except StrictImport as error:
            self._report(error.intake, as_json=options["json"])
            raise CommandError(error.message) from error
        self._report(intake, as_json=options["json"])
        if not intake.read:
            raise CommandError(f"{path.name} holds no rows, so nothing went in.")
        known = sum(intake.counts.get(outcome, 0) for outcome in (ACCEPTED, OVER_CAP, DUPLICATE))
        if not known and intake.counts.get(MALFORMED):
            raise CommandError(f"No line of {path.name} could be taken; see the reasons above.")

    def _run(self, rows: RowFile, path: Path, options: dict[str, Any]) -> Intake:
        languages = frozenset(code.strip() for code in options["languages"].split(",") if code.strip())
        settings = self.settings(options, languages or None)
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[read]} lines"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty() or options["json"],
            transient=True,
        ) as bar:
            task = bar.add_task(f"Reading {path.name}", total=1.0, read=0)

            def show(read: int) -> None:
                bar.update(task, completed=rows.fraction, read=read)

            request = ImportRequest(rows, options["source"], path.name, options["strict"], settings, show)
            return self.take(request, options)

    def settings(self, options: dict[str, Any], languages: frozenset[str] | None) -> IntakeSettings:
        """Return intake settings from the options."""
        return IntakeSettings(max_tokens=options["max_tokens"], languages=languages)

    def _report(self, intake: Intake, *, as_json: bool) -> None:
        refusals = intake.refusals.values("line", "reason", "detail")
        if as_json:
            report = {
                "intake": str(intake.code),
                "what": intake.what,
                "file": intake.file_name,
                "source": intake.source,
                "read": intake.read,
                "accepted": intake.counts.get(ACCEPTED, 0),
                "counts": intake.counts,
                "refusals": list(refusals[:REFUSALS_IN_JSON]),
                "refusals_total": refusals.count(),
            }
            self.stdout.write(json.dumps(report, ensure_ascii=False))
            return
        for refusal in refusals[:REFUSALS_SHOWN]:
            detail = f" ({refusal['detail']})" if refusal["detail"] else ""
            self.stderr.write(f"line {refusal['line']}: {refusal['reason']}{detail}")
        left_out = refusals.count() - REFUSALS_SHOWN
        if left_out > 0:
            self.stderr.write(f"and {left_out} more refused lines, all kept with intake {intake.code}")
        outcomes = [f"{number} {_words(outcome)}" for outcome, number in intake.counts.items()]
        self.stdout.write(f"Read {intake.read} {intake.what}: {', '.join(outcomes) or 'none'}.")


def _words(outcome: str) -> str:
    words = {OVER_CAP: "held over the author's cap", WITHHELD: "withheld (strict)"}
    return words.get(outcome, outcome.replace("_", " "))
