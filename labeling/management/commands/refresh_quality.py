"""Compute the kept figures of the quality pages."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from labeling.models import QualityReport
from labeling.rules import quality_reports


class Command(BaseCommand):
    help = (
        "Compute agreement, pairs, labelers, ratings, disagreements and drift, and keep them for the pages."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--force", action="store_true", help="also what no label was added for")
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        done = quality_reports.refresh_reports(force=options["force"])
        kept = QualityReport.objects.filter(section__in=done)
        seconds = {row.section: round(row.seconds, 3) for row in kept}
        if options["json"]:
            self.stdout.write(json.dumps({"computed": seconds, "seconds": round(sum(seconds.values()), 3)}))
            return
        for section, took in seconds.items():
            self.stdout.write(f"{section:10} {took:.2f} s")
        self.stdout.write(f"Computed {len(done)} of {len(quality_reports.SECTIONS)} sections.")
