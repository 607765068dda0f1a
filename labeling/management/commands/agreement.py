"""Print how far labelers agree."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from labeling.models import Batch, Cohort
from labeling.rules.agreement import TIE_MODES, Agreement, agreement_of
from labeling.rules.agreement_slices import sign_alpha
from labeling.rules.meetings import meetings_of
from labeling.rules.rank_correlation import mean_kendall_w, mean_tau_b
from labeling.rules.ratings_report import ratings_report
from labeling.rules.stored_rankings import load_rankings, newest_rankings


class Command(BaseCommand):
    help = "Pairwise agreement among labelers, with standard error and 95 % interval clustered by task."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--batch", default="", metavar="CODE", help="this batch only (default: all)")
        parser.add_argument("--cohort", choices=Cohort.values, help="labelers of this group only")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        batch = self._batch(options["batch"]) if options["batch"] else None
        wanted = newest_rankings(batch=batch, cohort=options["cohort"])
        stored = load_rankings(wanted, shared_only=True)
        rankings = stored.columns
        meetings = meetings_of(rankings)
        results = {mode: agreement_of(meetings, rankings, mode, resampled=True) for mode in TIE_MODES}
        if options["json"]:
            report = {
                "batch": options["batch"] or None,
                "cohort": options["cohort"],
                "rankings": len(rankings),
                **asdict(results["strict"]),
                "modes": {mode: asdict(result) for mode, result in results.items()},
                "tau_b": asdict(mean_tau_b(meetings)),
                "w": asdict(mean_kendall_w(rankings)),
                "sign_alpha": asdict(sign_alpha(stored)),
                "ratings": ratings_report(stored, wanted),
            }
            self.stdout.write(json.dumps(report))
            return
        for mode, result in results.items():
            self.stdout.write(f"{mode:10} {_sentence(result)}")
        strict = results["strict"]
        self.stdout.write(
            f"Compared {len(rankings)} rankings of {strict.tasks} tasks ({strict.pairs} pairs)."
        )

    def _batch(self, code: str) -> Batch:
        try:
            return Batch.objects.get(code=code)
        except (Batch.DoesNotExist, ValidationError) as error:
            raise CommandError(f'There is no batch with the code "{code}".') from error


def _sentence(result: Agreement) -> str:
    if result.value is None:
        return "nothing to compare: no pair was ranked by two labelers"
    text = f"{result.value:.1%} (chance {result.chance:.0%}, ties {result.tie_fraction or 0:.1%})"
    if result.standard_error is None:
        return f"{text}, no interval from one task"
    interval = f"95 % interval {result.low:.1%} to {result.high:.1%}"
    return f"{text}, standard error {result.standard_error:.1%}, {interval}"
