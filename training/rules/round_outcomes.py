"""What labelers may know of the rounds their labels went into: how far each is, and how it did.

Nothing here names a model: an outcome is told only once its evaluation has ended, as the share of
comparisons in which the newer of two unnamed versions was preferred.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from labeling.models import Batch, Demonstration, Labeler, Ranking
from labeling.rules.batches import progress_of_batches
from training.models import DatasetLabeler, Round
from training.rules.evaluations import WinRate, win_rate

COLLECTING, LEARNING, JUDGING, JUDGED = "collecting", "learning", "judging", "judged"
EVEN = 0.5


@dataclass(frozen=True)
class RoundOutcome:
    """One round as a labeler reads about it.

    demonstrations, comparisons, judgements   what this labeler did in its batches
    learned_from                              how many records of what was trained on are theirs
    state                                     collecting, learning, judging, judged
    rate                                      how the new version did, once everybody has judged
    """

    number: int
    demonstrations: int
    comparisons: int
    judgements: int
    learned_from: int
    state: str
    rate: WinRate | None = None

    @property
    def verdict(self) -> str:
        """Say in plain words which version was preferred; empty where nobody has judged."""
        if self.rate is None or self.rate.low is None or self.rate.high is None:
            return ""
        if self.rate.low > EVEN:
            return "better"
        return "worse" if self.rate.high < EVEN else "even"


def rounds_of(labeler: Labeler) -> QuerySet[Round]:
    """Return the rounds that have a label of this labeler, newest first."""
    batches = Batch.objects.filter(assignments__labeler=labeler, assignments__state="submitted").values("pk")
    held = DatasetLabeler.objects.filter(labeler=labeler).values("dataset")
    rows = Round.objects.select_related("evaluation__batch", "evaluation__policy", "evaluation__baseline")
    return rows.filter(
        Q(demonstration_batch__in=batches)
        | Q(comparison_batch__in=batches)
        | Q(evaluation__batch__in=batches)
        | Q(sft_dataset__in=held)
        | Q(comparisons_dataset__in=held)
    )


def outcomes_for(labeler: Labeler, rows: Sequence[Round]) -> list[RoundOutcome]:
    """Return what the labeler may know of some rounds; a statement for each judged one, a few for all."""
    written = _by_batch(labeler, Demonstration.objects.newest(), "assignment__batch")
    ranked = _by_batch(labeler, Ranking.objects.newest(), "task__batch")
    learned = dict(DatasetLabeler.objects.filter(labeler=labeler).values_list("dataset_id", "records"))
    judging = [row.evaluation.batch for row in rows if row.evaluation]
    progress = progress_of_batches(judging)
    found = []
    for row in rows:
        state, rate = COLLECTING, None
        if row.comparisons_dataset_id:
            state = LEARNING
        if row.evaluation is not None:
            batch = row.evaluation.batch
            counts = progress[batch.pk]
            has_ended = bool(counts.tasks) and counts.submitted >= counts.wanted
            state = JUDGED if has_ended or batch.status == Batch.Status.CLOSED else JUDGING
            if state == JUDGED:
                evaluation = row.evaluation
                rate = win_rate(policy=evaluation.policy, baseline=evaluation.baseline, batch=batch)
        datasets = {row.sft_dataset_id, row.comparisons_dataset_id} - {None}
        found.append(
            RoundOutcome(
                number=row.number,
                demonstrations=written[row.demonstration_batch_id],
                comparisons=ranked[row.comparison_batch_id],
                judgements=ranked[row.evaluation.batch_id] if row.evaluation else 0,
                learned_from=sum(learned.get(key, 0) for key in datasets if key is not None),
                state=state,
                rate=rate,
            )
        )
    return found


def _by_batch(
    labeler: Labeler, rows: "QuerySet[Demonstration] | QuerySet[Ranking]", path: str
) -> Counter[int | None]:
    """Count a labeler's labels that are no surplus, by batch."""
    counted = rows.filter(labeler=labeler, is_surplus=False).order_by().values_list(path)
    found = dict(counted.annotate(count=Count("pk")))
    found.pop(None, None)  # labels of no batch went into no round by one
    return Counter(found)
