"""Print how often a policy is preferred to a baseline."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

from labeling.errors import LabelingError
from labeling.models import Batch, Cohort, Policy
from training.rules.evaluations import win_rate, win_rates_by_cohort
from training.rules.judgements import in_finals
from training.rules.prompt_choice import WAYS


class Command(BaseCommand):
    help = "Win rate with its 95 % interval, judgements of one prompt taken together; ties count half."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--policy", required=True, help="name or code of the policy")
        parser.add_argument("--baseline", required=True, help="name or code of the policy it is against")
        parser.add_argument("--batch", metavar="CODE", help="only judgements of this batch")
        parser.add_argument("--cohort", choices=Cohort.values, help="only labelers of this group")
        parser.add_argument(
            "--chosen-by",
            choices=WAYS,
            help="only tasks whose prompt was chosen so: random is the control share",
        )
        parser.add_argument(
            "--all",
            action="store_true",
            help="comparisons that train too (default: final evaluations alone, where the two were compared "
            "in one, unless --batch or --chosen-by says which)",
        )
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, **options: Any) -> None:
        policy, baseline = self._policy(options["policy"]), self._policy(options["baseline"])
        batch = self._batch(options["batch"]) if options["batch"] else None
        is_open = batch is None and options["chosen_by"] is None and not options["all"]
        scope: dict[str, Any] = {
            "policy": policy,
            "baseline": baseline,
            "batch": batch,
            "chosen_by": options["chosen_by"],
            "finals_only": is_open and in_finals(policy=policy, baseline=baseline),
        }
        try:
            rate = win_rate(cohort=options["cohort"], **scope)
        except LabelingError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            by_cohort = win_rates_by_cohort(**scope)
            report = {
                "policy": policy.name,
                "baseline": baseline.name,
                "finals_only": scope["finals_only"],
                **rate.as_mapping(),
                "cohorts": {cohort: found.as_mapping() for cohort, found in by_cohort.items()},
            }
            self.stdout.write(json.dumps(report))
            return
        if rate.value is None:
            self.stdout.write(
                f"Counted 0 judgements: no such ranking holds responses of {policy} and {baseline}."
            )
            return
        self.stdout.write(f"{policy} against {baseline}: {rate.value:.1%}")
        self.stdout.write(
            f"95 % interval {rate.low:.1%} to {rate.high:.1%}\n"
            f"Counted {rate.judgements} judgements of {rate.prompts} prompts: {rate.wins} won, "
            f"{rate.losses} lost, {rate.ties} tied (half each)"
            f"{', in final evaluations only' if scope['finals_only'] else ''}."
        )
        if rate.likert is not None and rate.baseline_likert is not None:
            ours = _rating(rate.likert, rate.likert_low, rate.likert_high)
            theirs = _rating(rate.baseline_likert, rate.baseline_likert_low, rate.baseline_likert_high)
            self.stdout.write(f"Mean rating, 1 to 7: {ours}; baseline {theirs}.")

    def _policy(self, name: str) -> Policy:
        policy = Policy.objects.filter(name=name).first()
        if policy is not None:
            return policy
        try:
            return Policy.objects.get(code=name)
        except (Policy.DoesNotExist, ValidationError):
            names = ", ".join(Policy.objects.values_list("name", flat=True)[:20])
            raise CommandError(f'There is no policy "{name}"; there are {names or "none"}.') from None

    def _batch(self, code: str) -> Batch:
        try:
            return Batch.objects.get(code=code)
        except (Batch.DoesNotExist, ValidationError):
            raise CommandError(f'There is no batch with the code "{code}".') from None


def _rating(value: float, low: float | None, high: float | None) -> str:
    """Write a mean rating with its interval, which a single prompt does not give."""
    return f"{value:.2f}" if low is None else f"{value:.2f} (95 % interval {low:.2f} to {high:.2f})"
