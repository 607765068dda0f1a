"""The tasks on which labelers disagree most, and one of them with everybody's order beside it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np

from labeling.errors import NotFound
from labeling.models import GoldAnswer, Place, Ranking, Reading, Response, ResponseScore, Task
from labeling.rules.meetings import meetings_of
from labeling.rules.rank_correlation import tau_b
from labeling.rules.ranking_columns import totals
from labeling.rules.readings import readings_in
from labeling.rules.resampling import ratio
from labeling.rules.stored_rankings import StoredRankings

MAX_ITEMS = 300


@dataclass(frozen=True)
class Judged:
    """What one labeler said of one response; `shown` counts from 1, `reading` came before the prompt."""

    rank: int
    likert: int | None
    flags: list[str]
    note: str
    shown: int | None
    reading: Reading | None


@dataclass(frozen=True)
class JudgedResponse:
    """A response with what each labeler said of it, in the order of `DisagreedTask.rankings`."""

    response: Response
    judged: list[Judged | None]
    gold_rank: int | None
    score: float | None
    mean_rank: float


@dataclass(frozen=True)
class DisagreedTask:
    """A task with its rankings, and its responses from best to worst by mean rank."""

    task: Task
    rankings: list[Ranking]
    responses: list[JudgedResponse]


def items_report(stored: StoredRankings) -> dict[str, Any]:
    """List the tasks with the largest share of pairs in opposite order; ties count as neither.

    Equal shares: the task with more pairs first. A task whose labelers agree throughout is not listed.
    """
    meetings = meetings_of(stored.columns)
    tasks, at = np.unique(meetings.task, return_inverse=True)
    opposite, compared, tied = (
        totals(at, counts.astype(np.float64), len(tasks))
        for counts in (meetings.opposite, meetings.compared, meetings.first_tied + meetings.second_tied)
    )
    taus = tau_b(meetings)
    known = np.isfinite(taus)
    tau_sum = totals(at[known], taus[known], len(tasks))
    tau_n = np.bincount(at[known], minlength=len(tasks))
    labelers = np.bincount(stored.columns.task, minlength=len(stored.columns.tasks))
    share = np.nan_to_num(ratio(opposite, compared))
    order = np.lexsort((-compared, -share))
    rows = []
    for i in order[:MAX_ITEMS].tolist():
        if not opposite[i]:
            break
        facts = stored.tasks[int(tasks[i])]
        rows.append(
            {
                "task": str(facts.code),
                "batch": str(facts.batch),
                "batch_name": facts.batch_name,
                "category": facts.category,
                "k": facts.k,
                "labelers": int(labelers[tasks[i]]),
                "opposite": int(opposite[i]),
                "tied_by_one": int(tied[i]),
                "pairs": int(compared[i]),
                "share": float(share[i]),
                "tau_b": float(tau_sum[i] / tau_n[i]) if tau_n[i] else None,
            }
        )
    return {"items": rows, "tasks": len(tasks), "disagreeing": int(np.sum(opposite > 0))}


def disagreed_task(code: UUID) -> DisagreedTask:
    """Return one task with every labeler's order and ratings. Raises NotFound."""
    task = Task.objects.select_related("batch", "prompt").filter(code=code).first()
    if task is None:
        raise NotFound("There is no such task.")
    counted = task.rankings.newest().filter(is_surplus=False)
    rankings = list(counted.select_related("labeler").order_by("created_at"))
    places = {
        (place.ranking_id, place.response_id): place for place in Place.objects.filter(ranking__in=rankings)
    }
    read = readings_in(ranking.assignment_id for ranking in rankings)
    gold = GoldAnswer.objects.current().filter(task=task).first()
    responses = list(Response.objects.filter(candidacies__task=task).select_related("policy"))
    scores = dict(
        ResponseScore.objects.current().filter(response__in=responses).values_list("response_id", "score")
    )
    rows = []
    for response in responses:
        judged = [
            _judged(
                places.get((ranking.pk, response.pk)),
                ranking,
                response,
                read.get((ranking.assignment_id, response.pk)),
            )
            for ranking in rankings
        ]
        ranks = [said.rank for said in judged if said is not None]
        rows.append(
            JudgedResponse(
                response=response,
                judged=judged,
                gold_rank=gold.ranks.get(str(response.code)) if gold else None,
                score=scores.get(response.pk),
                mean_rank=sum(ranks) / len(ranks) if ranks else 99.0,
            )
        )
    return DisagreedTask(task, rankings, sorted(rows, key=lambda row: row.mean_rank))


def _judged(
    place: Place | None, ranking: Ranking, response: Response, reading: Reading | None
) -> Judged | None:
    if place is None:
        return None
    shown = ranking.shown_order or []
    code = str(response.code)
    return Judged(
        rank=place.rank,
        likert=place.likert,
        flags=sorted(key for key, answer in place.flags.items() if answer is True),
        note=place.note,
        shown=shown.index(code) + 1 if code in shown else None,
        reading=reading,
    )
