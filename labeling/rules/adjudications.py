"""Where labelers disagree: found, and settled by a researcher whose order is a ranking like any other."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Prefetch, QuerySet

from labeling.errors import Conflict
from labeling.models import (
    Adjudication,
    Batch,
    Cohort,
    Labeler,
    Place,
    Ranking,
    Review,
    Task,
    TaskKind,
    User,
)
from labeling.rules import audit, reviews
from labeling.rules.access import Action, ensure, labeler_of
from labeling.rules.gold import check_reason, compare_ranks
from labeling.rules.judgements import Judgement, check_judgements, store_ranking
from labeling.rules.labelers import new_pseudonym

SCANNED_AT_ONCE = 200
PROFILE_REASON = "Decides where labelers disagree; takes no tasks."


@dataclass(frozen=True)
class Disagreement:
    """A task whose rankings differ: `agreement` is the share of pairs ordered alike, ties left out."""

    task: Task
    rankings: tuple[Ranking, ...]
    agreement: float


def tasks_with_several(batch: Batch | None = None, *, settled: bool = False) -> QuerySet[Task]:
    """Return ranked tasks with at least two labels, newest first: those without, or with, a final order."""
    ruled = Adjudication.objects.filter(task=OuterRef("pk"))
    ranked = Ranking.objects.newest().filter(is_surplus=False).order_by().values("task")
    tasks = (
        Task.objects.filter(batch__kind__in=[kind for kind in TaskKind if kind.is_ranked])
        .filter(Exists(ruled) if settled else ~Exists(ruled))
        .filter(pk__in=ranked.annotate(labels=Count("pk")).filter(labels__gte=2).values("task"))
        .select_related("batch", "prompt")
        .order_by("-pk")
    )
    return tasks.filter(batch=batch) if batch is not None else tasks


def disagreements(
    *, batch: Batch | None = None, below: int = 0, most: int = 25, worst: float = 1.0
) -> list[Disagreement]:
    """Return tasks whose labelers order some pair differently, newest first.

    `below` is the id of the last one seen, for the next page; `worst` keeps those that agree on less.
    """
    found: list[Disagreement] = []
    tasks = tasks_with_several(batch)
    while len(found) < most:
        page = list((tasks.filter(pk__lt=below) if below else tasks)[:SCANNED_AT_ONCE])
        agreements = _agreements(page)
        torn = [task for task in page if agreements.get(task.pk, worst) < worst][: most - len(found)]
        found += [
            Disagreement(task, rankings, agreements[task.pk]) for task, rankings in _with_rankings(torn)
        ]
        if len(page) < SCANNED_AT_ONCE:
            break
        below = page[-1].pk
    return found


def rankings_of(task: Task) -> tuple[Ranking, ...]:
    """Return the labelers' rankings of a task that count, in the order they came."""
    return next((rankings for _, rankings in _with_rankings([task])), ())


@transaction.atomic
def adjudicate(
    *, task: Task, judgements: Sequence[Judgement], reason: str, by: User, leaves_out_others: bool = False
) -> Adjudication:
    """Settle a task with a final order, which is recorded as the researcher's own ranking.

    With `leaves_out_others` the labelers' rankings stay out of datasets, each with a review that says why;
    otherwise they stand beside it. Raises IncompleteRanking, InvalidInput without a reason, Conflict where it
    was settled already or nothing is there to settle.
    """
    ensure(by, Action.JUDGE)
    reason = check_reason(reason)
    locked = Task.objects.select_for_update(of=("self",)).select_related("batch").get(pk=task.pk)
    if Adjudication.objects.filter(task=locked).exists():
        raise Conflict("This task was settled already.", code="already_adjudicated")
    others = rankings_of(locked)
    if len(others) < 2:
        raise Conflict(
            "Fewer than two labelers ranked this task; there is nothing to settle.", code="too_few"
        )
    check_judgements(locked, judgements, needs_likert=False, max_rank=locked.candidates.count())
    ranking = store_ranking(
        task=locked,
        labeler=researcher_profile(by),
        judgements=judgements,
        guideline_id=locked.batch.guideline_id,
        form_id=locked.batch.form_id,
        notes=reason,
    )
    adjudication = Adjudication.objects.create(task=locked, ranking=ranking, reason=reason, by=by)
    audit.record(actor=by, action="adjudicate", obj=locked, reason=reason, leaves_out=leaves_out_others)
    if leaves_out_others:
        for other in others:
            reviews.review_ranking(
                ranking=other,
                decision=Review.Decision.EXCLUDED,
                by=by,
                comment=f"Settled otherwise: {reason}",
            )
    return adjudication


def researcher_profile(user: User) -> Labeler:
    """Return the profile under which a researcher's orders stand; made, without tasks, if there is none."""
    found = labeler_of(user)
    if found is not None:
        return found
    return Labeler.objects.create(
        user=user,
        pseudonym=new_pseudonym(),
        cohort=Cohort.RESEARCHER,
        status=Labeler.Status.PAUSED,
        status_reason=PROFILE_REASON,
    )


def _with_rankings(tasks: Sequence[Task]) -> list[tuple[Task, tuple[Ranking, ...]]]:
    # joined, because responses of a page prefetched one by one are an OR of more than SQLite takes in a query
    places = Place.objects.select_related("response")
    rows = (
        Ranking.objects.newest()
        .filter(task__in=[task.pk for task in tasks], is_surplus=False, adjudication=None)
        .select_related("labeler")
        .prefetch_related(Prefetch("places", queryset=places))
        .order_by("pk")
    )
    by_task: dict[int, list[Ranking]] = {}
    for ranking in rows:
        by_task.setdefault(ranking.task_id, []).append(ranking)
    return [(task, tuple(by_task.get(task.pk, ()))) for task in tasks]


def _agreements(tasks: Sequence[Task]) -> dict[int, float]:
    """Return the share of pairs ordered alike for each task that has a pair to compare, from ranks alone."""
    places = Place.objects.of_newest().filter(
        ranking__task__in=[task.pk for task in tasks], ranking__is_surplus=False, ranking__adjudication=None
    )
    orders: dict[int, dict[int, dict[str, int]]] = {}
    for task, ranking, response, rank in places.values_list(
        "ranking__task", "ranking", "response", "rank"
    ).iterator():
        orders.setdefault(task, {}).setdefault(ranking, {})[str(response)] = rank
    found = {}
    for task, by_ranking in orders.items():
        results = [compare_ranks(one, other) for one, other in combinations(by_ranking.values(), 2)]
        pairs = sum(result.pairs for result in results)
        if pairs:
            found[task] = sum(result.alike for result in results) / pairs
    return found
