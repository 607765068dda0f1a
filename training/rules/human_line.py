"""The human line: how often people agree on the very tasks that a reward model's accuracy is measured on."""

from dataclasses import dataclass

from labeling.models import Ranking
from labeling.rules.agreement import Agreement, batch_agreement
from training.models import Run, Stage
from training.rules.datasets import read_records

MAX_RANKINGS = 3000
ACCURACY = "valid/accuracy"


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
    given = run.inputs.filter(name="dataset").select_related("dataset").first()
    if run.stage != Stage.REWARD or accuracy is None or given is None or given.dataset is None:
        return None
    try:
        records = read_records(given.dataset, split="valid", count=MAX_RANKINGS)
    except FileNotFoundError:  # the dataset is not stored on this machine any more
        return None
    rankings = Ranking.objects.filter(code__in=[record["id"] for record in records if "id" in record])
    tasks = set(rankings.values_list("task__code", flat=True))
    return HumanLine(float(accuracy), batch_agreement(task_codes=tasks), len(tasks)) if tasks else None
