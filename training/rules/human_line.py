"""The human line: how often people agree on the very tasks that a reward model's accuracy is measured on."""

from dataclasses import dataclass

from django.core.cache import cache

from labeling.models import Ranking
from labeling.rules.agreement import Agreement, batch_agreement
from training.models import Run, Stage
from training.rules.datasets import read_records

MAX_RANKINGS = 3000
ACCURACY = "valid/accuracy"
ACCURACIES = (ACCURACY, "reward/accuracy", "fold/accuracy", "fold/inside_accuracy")
"""Curves beside which people's agreement is drawn."""
CACHE_SECONDS = 300
NONE = "none"


@dataclass(frozen=True)
class Ceiling:
    """People's agreement, ties left out, on those of the tasks that two or more people ranked."""

    agreement: Agreement
    tasks: int


@dataclass(frozen=True)
class HumanLine:
    """A reward model's accuracy on valid pairs beside people's agreement, ties left out on both sides.

    agreement   on those of the tasks that two or more people ranked
    tasks       all tasks behind the accuracy, of at most the first 3,000 rankings
    """

    accuracy: float
    agreement: Agreement
    tasks: int


def human_line(run: Run) -> HumanLine | None:
    """Return the human line of a finished reward run; None where it measured no accuracy on rankings."""
    accuracy = run.result.get(ACCURACY)
    found = ceiling_of(run) if accuracy is not None else None
    return (
        HumanLine(float(accuracy), found.agreement, found.tasks) if found and accuracy is not None else None
    )


def ceiling_of(run: Run) -> Ceiling | None:
    """Return how people agree on the valid pairs of a reward run, known before it has begun.

    It is counted at most once in five minutes: curves are drawn anew every few seconds. None where the run
    reads no rankings, or where they are not stored on this machine any more.
    """
    if run.stage != Stage.REWARD:
        return None
    key = f"ceiling-{run.code}"
    found: Ceiling | str | None = cache.get(key)
    if found is None:
        found = _ceiling(run) or NONE
        cache.set(key, found, CACHE_SECONDS)
    return found if isinstance(found, Ceiling) else None


def _ceiling(run: Run) -> Ceiling | None:
    given = run.inputs.filter(name="dataset").select_related("dataset").first()
    if given is None or given.dataset is None:
        return None
    try:
        records = read_records(given.dataset, split="valid", count=MAX_RANKINGS)
    except FileNotFoundError:
        return None
    rankings = Ranking.objects.filter(code__in=[record["id"] for record in records if "id" in record])
    tasks = set(rankings.values_list("task__code", flat=True))
    return Ceiling(batch_agreement(task_codes=tasks), len(tasks)) if tasks else None
