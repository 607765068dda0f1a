"""What labelers learn from batches for learning: the reference order, and where others saw it otherwise.

Stiennon et al. 2020, App. C.1: feedback at once while people are trained. A batch gives it only where its
settings say so; what was submitted there stands, and gold elsewhere stays silent.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import combinations

from django.db.models import Count, Q
from django.utils import timezone

from labeling.models import Assignment, Batch, GoldAnswer, Labeler, Ranking, Response, Task, TaskKind
from labeling.rules.gold import compare_ranks

LETTERS = "ABCDEFGHI"
OTHERS_AGAINST = 2
DAYS = 7
MOST = 25


@dataclass(frozen=True)
class Compared:
    """One response as this labeler saw it, with the reference's rank and their own."""

    letter: str
    response: Response
    yours: int
    theirs: int


@dataclass(frozen=True)
class Feedback:
    """How a submitted ranking meets the reference; pairs that either ties are not counted."""

    rows: tuple[Compared, ...]
    pairs: int
    alike: int
    reason: str


@dataclass(frozen=True)
class Difference:
    """A pair that a labeler put one way and all others, two or more, the other way. Nobody is named."""

    task: Task
    yours_above: Response
    theirs_above: Response
    others: int


def gives_feedback(batch: Batch) -> bool:
    """Return whether a batch is for learning: what is submitted to it stands at once."""
    return bool(batch.settings.get("gives_feedback"))


def feedback_on(assignment: Assignment) -> Feedback | None:
    """Return how what a labeler submitted meets the reference; None where there is none to be shown."""
    if assignment.state != Assignment.State.SUBMITTED or not gives_feedback(assignment.batch):
        return None
    gold = GoldAnswer.objects.current().filter(task=assignment.task_id).first()
    ranking = (
        Ranking.objects.newest().filter(assignment=assignment).prefetch_related("places__response").first()
    )
    if gold is None or ranking is None:
        return None
    mine = {str(place.response.code): place for place in ranking.places.all()}
    met = compare_ranks({code: place.rank for code, place in mine.items()}, gold.ranks)
    rows = tuple(
        Compared(letter, mine[code].response, mine[code].rank, gold.ranks[code])
        for letter, code in zip(LETTERS, assignment.display_order, strict=False)
        if code in mine and code in gold.ranks
    )
    return Feedback(rows, met.pairs, met.alike, gold.reason)


def differences(labeler: Labeler, *, days: int = DAYS) -> list[Difference]:
    """Return where others saw the labeler's latest rankings otherwise, newest first.

    Only tasks of batches for learning that nobody works on any more, so that no answer is given away.
    """
    since = timezone.now() - timedelta(days=days)
    own = Ranking.objects.newest().filter(
        labeler=labeler,
        is_surplus=False,
        task__batch__settings__gives_feedback=True,
        task__batch__kind__in=[kind for kind in TaskKind if kind.is_ranked],
        created_at__gte=since,
    )
    waiting = Q(task__assignments__state__in=(Assignment.State.OPEN, Assignment.State.LEASED))
    own = own.annotate(waiting=Count("task__assignments", filter=waiting)).filter(waiting=0)
    rankings = own.select_related("task__prompt").prefetch_related("places__response").order_by("-pk")[:MOST]
    others = _orders_of_others([ranking.task_id for ranking in rankings], labeler)
    return [
        Difference(ranking.task, above, below, len(others[ranking.task_id]))
        for ranking in rankings
        for above, below in _against(ranking, others.get(ranking.task_id, []))
    ]


def _orders_of_others(tasks: Sequence[int], labeler: Labeler) -> dict[int, list[Mapping[int, int]]]:
    found: dict[int, list[Mapping[int, int]]] = {}
    rows = Ranking.objects.newest().filter(task__in=tasks, is_surplus=False, adjudication=None)
    for ranking in rows.exclude(labeler=labeler).prefetch_related("places"):
        ranks = {place.response_id: place.rank for place in ranking.places.all()}
        found.setdefault(ranking.task_id, []).append(ranks)
    return found


def _against(ranking: Ranking, others: Sequence[Mapping[int, int]]) -> list[tuple[Response, Response]]:
    """Return the pairs, the labeler's upper one first, that all others put the other way round."""
    if len(others) < OTHERS_AGAINST:
        return []
    places = sorted(ranking.places.all(), key=lambda place: place.rank)
    return [
        (upper.response, lower.response)
        for upper, lower in combinations(places, 2)
        if upper.rank < lower.rank
        and all(ranks[lower.response_id] < ranks[upper.response_id] for ranks in others)
    ]
