"""What is known about ranked responses besides their ranks: length, where shown, gold order, scores."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Max, QuerySet
from django.db.models.functions import Length

from labeling.models import GoldAnswer, Place, Ranking, Response, ResponseScore
from labeling.rules.ranking_columns import Columns, Floats, Ints
from labeling.rules.stored_rankings import ROWS_AT_ONCE, StoredRankings


@dataclass(frozen=True)
class ResponseFacts:
    """Columns beside those of the rankings.

    length      (R,) characters of each response
    shown       (P,) position in which it was shown, 0 first; NaN where that is not known
    gold        (P,) rank in the researchers' reference for the task; NaN where there is none
    score       (R,) by the current reward model; NaN where it has not scored
    scorer      the reward model's name, empty where there is none
    """

    length: Floats
    shown: Floats
    gold: Floats
    score: Floats
    scorer: str


def load_response_facts(stored: StoredRankings, rankings: QuerySet[Ranking]) -> ResponseFacts:
    """Read what is known about the responses of these rankings."""
    columns = stored.columns
    index_of = {pk: number for number, pk in enumerate(columns.responses)}
    wanted = Place.objects.filter(ranking__in=rankings.order_by()).order_by().values("response")
    rows = Response.objects.filter(pk__in=wanted).values_list("pk", "code", Length("text"))
    length = np.zeros(len(columns.responses))
    by_code: dict[str, int] = {}
    for pk, code, size in rows.iterator(chunk_size=ROWS_AT_ONCE):
        if pk in index_of:
            length[index_of[pk]] = size or 0
            by_code[str(code)] = index_of[pk]
    score, scorer = _scores(columns, index_of, wanted)
    return ResponseFacts(
        length=length,
        shown=_shown(stored, rankings, by_code),
        gold=_gold(columns, by_code),
        score=score,
        scorer=scorer,
    )


def _shown(stored: StoredRankings, rankings: QuerySet[Ranking], by_code: dict[str, int]) -> Floats:
    columns = stored.columns
    number_of = {pk: number for number, pk in enumerate(stored.pk.tolist())}
    found: list[tuple[int, int, int]] = []
    rows = rankings.order_by().values_list("pk", "shown_order")
    for pk, codes in rows.iterator(chunk_size=ROWS_AT_ONCE):
        ranking = number_of.get(pk)
        if ranking is not None:
            places = ((by_code.get(str(code)), at) for at, code in enumerate(codes or ()))
            found.extend((ranking, response, at) for response, at in places if response is not None)
    return _matched((columns.ranking, columns.response), found)


def _gold(columns: Columns, by_code: dict[str, int]) -> Floats:
    task_of = {pk: number for number, pk in enumerate(columns.tasks)}
    found: list[tuple[int, int, int]] = []
    for gold in GoldAnswer.objects.current().iterator():
        task = task_of.get(gold.task_id)
        if task is not None:
            ranks = ((by_code.get(code), rank) for code, rank in gold.ranks.items())
            found.extend((task, response, rank) for response, rank in ranks if response is not None)
    place_task = columns.task[columns.ranking] if len(columns) else columns.ranking
    return _matched((place_task, columns.response), found)


def _scores(columns: Columns, index_of: dict[Any, int], responses: QuerySet[Any, Any]) -> tuple[Floats, str]:
    score = np.full(len(columns.responses), np.nan)
    rows = ResponseScore.objects.current().filter(response__in=responses)
    scorer = rows.aggregate(name=Max("scorer_name"))["name"] or ""
    for pk, value in rows.values_list("response_id", "score").iterator(chunk_size=ROWS_AT_ONCE):
        if pk in index_of:
            score[index_of[pk]] = value
    return score, scorer


def _matched(keys: tuple[Ints, Ints], found: list[tuple[int, int, int]]) -> Floats:
    """Give each key the value of the (first, second, value) that names it; NaN where none does."""
    result = np.full(len(keys[0]), np.nan)
    if not found or not len(result):
        return result
    rows = np.array(found, dtype=np.int64)
    width = int(max(keys[1].max(), rows[:, 1].max())) + 1
    names = rows[:, 0] * width + rows[:, 1]
    order = np.argsort(names, kind="stable")
    wanted = keys[0] * width + keys[1]
    at = np.minimum(np.searchsorted(names[order], wanted), len(order) - 1)
    hit = names[order][at] == wanted
    result[hit] = rows[order][at][hit, 2]
    return result
