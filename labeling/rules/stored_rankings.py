"""The rankings of the database as columns, with what is known about their tasks and labelers."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np
from django.db.models import Count, QuerySet
from django.db.models.functions import Coalesce

from labeling.models import Batch, Labeler, Place, Ranking, Task
from labeling.rules.ranking_columns import Columns, Floats, Ints

ROWS_AT_ONCE = 20_000


class TaskFacts(NamedTuple):
    """What agreement is sliced by."""

    code: UUID
    batch: UUID
    batch_name: str
    kind: str
    category: str
    language: str
    k: int


class LabelerFacts(NamedTuple):
    """Who a labeler is to somebody who sees no names."""

    code: UUID
    pseudonym: str
    cohort: str
    is_simulated: bool


@dataclass(frozen=True)
class StoredRankings:
    """The newest revision of each ranking.

    columns      tasks, labelers and responses are named by their primary keys
    tasks        facts of each task, in the order of `columns.tasks`
    labelers     facts of each labeler, in the order of `columns.labelers`
    pk           (N,) of each ranking
    created_at   (N,) when
    seconds      (N,) time at work
    likert       (P,) 1 to 7, NaN where not rated
    """

    columns: Columns
    tasks: list[TaskFacts]
    labelers: list[LabelerFacts]
    pk: Ints
    created_at: list[datetime]
    seconds: Floats
    likert: Floats

    def __len__(self) -> int:
        return len(self.columns)


def newest_rankings(
    *, batch: Batch | None = None, cohort: str | None = None, task_codes: Iterable[UUID] | None = None
) -> QuerySet[Ranking]:
    """Return the newest revision of each ranking of a batch, of a cohort, of some tasks, or of all.

    An adjudication is left out: who made it had seen the others' orders. So is surplus work, among it what a
    labeler took back.
    """
    rankings = Ranking.objects.newest().filter(adjudication=None, is_surplus=False)
    if batch is not None:
        rankings = rankings.filter(task__batch=batch)
    if cohort is not None:
        rankings = rankings.filter(labeler__cohort=cohort)
    if task_codes is not None:
        rankings = rankings.filter(task__code__in=list(task_codes))
    return rankings


def load_rankings(
    rankings: QuerySet[Ranking], *, shared_only: bool = False, with_facts: bool = True
) -> StoredRankings:
    """Read rankings with their places.

    shared_only   leave out tasks that one labeler alone has ranked
    with_facts    read what is known of tasks and labelers too; where it is not wanted both lists are empty
    """
    if shared_only:
        shared = rankings.order_by().values("task").annotate(n=Count("labeler", distinct=True))
        rankings = rankings.filter(task__in=shared.filter(n__gt=1).values("task"))
    wanted = rankings.order_by("pk").values_list("pk", "task_id", "labeler_id", "created_at", "seconds")
    # Should a labeler ever have two rankings of a task that replace nothing, the later one counts.
    heads = {(row[1], row[2]): row for row in wanted.iterator(chunk_size=ROWS_AT_ONCE)}
    rows = list(heads.values())
    pk = np.array([row[0] for row in rows], dtype=np.int64)
    tasks, task = np.unique(np.array([row[1] for row in rows], dtype=np.int64), return_inverse=True)
    labelers, labeler = np.unique(np.array([row[2] for row in rows], dtype=np.int64), return_inverse=True)
    places = _places(rankings if rows else rankings.none())
    of = _positions(pk, places[:, 0])
    places, of = places[of >= 0], of[of >= 0]
    responses, response = np.unique(places[:, 1], return_inverse=True)
    columns = Columns(
        tasks=tasks.tolist(),
        labelers=labelers.tolist(),
        responses=responses.tolist(),
        task=task.astype(np.int64),
        labeler=labeler.astype(np.int64),
        ranking=of,
        response=response.astype(np.int64),
        rank=places[:, 2].astype(np.float64),
    )
    likert = places[:, 3].astype(np.float64)
    likert[likert == 0] = np.nan
    return StoredRankings(
        columns=columns,
        tasks=_task_facts(rankings, columns) if with_facts else [],
        labelers=_labeler_facts(columns) if with_facts else [],
        pk=pk,
        created_at=[row[3] for row in rows],
        seconds=np.array([row[4] for row in rows], dtype=np.float64),
        likert=likert,
    )


def _places(rankings: QuerySet[Ranking]) -> Ints:
    rows = Place.objects.filter(ranking__in=rankings.order_by()).order_by()
    values = rows.values_list("ranking_id", "response_id", "rank", Coalesce("likert", 0))
    found = np.array(list(values.iterator(chunk_size=ROWS_AT_ONCE)), dtype=np.int64)
    return found.reshape(-1, 4)


def _positions(sorted_by_pk: Ints, wanted: Ints) -> Ints:
    """Find each wanted key among the keys; -1 where it is not there."""
    if not len(sorted_by_pk):
        return np.full(len(wanted), -1, dtype=np.int64)
    order = np.argsort(sorted_by_pk)
    at = np.minimum(np.searchsorted(sorted_by_pk, wanted, sorter=order), len(order) - 1)
    found = order[at]
    return np.where(sorted_by_pk[found] == wanted, found, -1)


def _task_facts(rankings: QuerySet[Ranking], columns: Columns) -> list[TaskFacts]:
    rows = Task.objects.filter(pk__in=rankings.order_by().values("task")).values_list(
        "pk", "code", "batch__code", "batch__name", "batch__kind", "prompt__category", "prompt__language"
    )
    sizes = np.zeros(len(columns.tasks), dtype=np.int64)
    if len(columns.ranking):
        placed = np.unique(np.stack([columns.task[columns.ranking], columns.response]), axis=1)[0]
        sizes = np.bincount(placed, minlength=len(columns.tasks))
    k_of = dict(zip(columns.tasks, sizes.tolist(), strict=True))
    facts = {
        row[0]: TaskFacts(row[1], row[2], row[3], row[4], row[5] or "", row[6] or "", k_of.get(row[0], 0))
        for row in rows.iterator(chunk_size=ROWS_AT_ONCE)
    }
    return [facts[pk] for pk in columns.tasks]  # type: ignore[index]  # primary keys


def _labeler_facts(columns: Columns) -> list[LabelerFacts]:
    rows = Labeler.objects.values_list("pk", "code", "pseudonym", "cohort", "is_simulated")
    facts = {row[0]: LabelerFacts(*row[1:]) for row in rows}
    return [facts[pk] for pk in columns.labelers]  # type: ignore[index]  # primary keys
