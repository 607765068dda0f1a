"""Drift: how the preference between the same responses moves, and how agreement does.

An anchor is a comparison that each batch repeats. How often its watched response (position 0) beats the
others should stay where it is; if it moves, the labelers or their instructions did (Stiennon et al. 2020,
App. C.6).
"""

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import numpy as np

from labeling.models import AnchorResponse, Task
from labeling.rules import labeler_figures
from labeling.rules.drift import WINDOW, change_between, rolling_rate
from labeling.rules.labeler_ratios import Share, share_of, shares_by_group
from labeling.rules.ranking_columns import Bools, Columns, Floats, Ints, totals
from labeling.rules.stored_rankings import StoredRankings

ANCHOR_WINDOW = 30


def drift_report(stored: StoredRankings) -> dict[str, Any]:
    """Return agreement with consensus over time, and each anchor set's win share by batch and over time."""
    hits, counted = labeler_figures.against_consensus(stored.columns)
    order = in_time(stored)
    order = order[counted[order] > 0]
    return {
        "window": WINDOW,
        "anchor_window": ANCHOR_WINDOW,
        "consensus": _line(stored, order, hits, counted, WINDOW),
        "consensus_total": share_of(hits, counted).as_mapping(),
        "anchor_sets": _anchor_sets(stored),
    }


def labeler_lines(stored: StoredRankings) -> dict[UUID, list[dict[str, Any]]]:
    """Return each labeler's rolling agreement with consensus, by code."""
    hits, counted = labeler_figures.against_consensus(stored.columns)
    order = in_time(stored)
    order = order[counted[order] > 0]
    whose = stored.columns.labeler[order]
    return {
        who.code: _line(stored, order[whose == number], hits, counted, WINDOW)
        for number, who in enumerate(stored.labelers)
    }


def watched_wins(columns: Columns, watched: Bools) -> tuple[Floats, Floats]:
    """Count, for each ranking, how often the watched response beats another; a tie counts half.

    `watched` (P,) marks the places of watched responses; rankings without one count nothing.
    """
    rank = np.full(len(columns), np.nan)
    rank[columns.ranking[watched]] = columns.rank[watched]
    sign = np.sign(columns.rank - rank[columns.ranking])
    other = ~watched & np.isfinite(sign)
    ranking = columns.ranking[other]
    wins = totals(ranking, (sign[other] + 1) / 2, len(columns))
    return wins, np.bincount(ranking, minlength=len(columns)).astype(np.float64)


def in_time(stored: StoredRankings) -> Ints:
    """Order rankings from the oldest to the newest."""
    return np.argsort(np.array([moment.timestamp() for moment in stored.created_at]), kind="stable")


def _anchor_sets(stored: StoredRankings) -> list[dict[str, Any]]:
    columns = stored.columns
    rows = Task.objects.filter(anchor__isnull=False).values_list(
        "pk", "anchor_id", "anchor__anchor_set__code", "anchor__anchor_set__name"
    )
    set_of = {pk: (anchor, (str(code), name)) for pk, anchor, code, name in rows}
    first = dict(AnchorResponse.objects.filter(position=0).values_list("anchor_id", "response_id"))
    task_set = [set_of.get(int(str(pk))) for pk in columns.tasks]
    watched_response = np.array(
        [first.get(found[0], -1) if found else -1 for found in task_set] or [-1], dtype=np.int64
    )
    responses = np.array(columns.responses or [0], dtype=np.int64)
    place_task = columns.task[columns.ranking]
    watched = responses[columns.response] == watched_response[place_task]
    wins, compared = watched_wins(columns, watched)
    sets = dict.fromkeys(found[1] for found in task_set if found)
    return [_anchor_set(stored, key, task_set, wins, compared) for key in sets]


def _anchor_set(
    stored: StoredRankings, key: tuple[str, str], task_set: list[Any], wins: Floats, compared: Floats
) -> dict[str, Any]:
    columns = stored.columns
    inside = np.array([bool(found) and found[1] == key for found in task_set])[columns.task] & (compared > 0)
    order = in_time(stored)
    order = order[inside[order]]
    batches: list[dict[str, Any]] = []
    shares: list[Share] = []
    names = dict.fromkeys(stored.tasks[columns.task[i]][1:3] for i in order.tolist())
    for code, name in names:
        mine = np.array([i for i in order.tolist() if stored.tasks[columns.task[i]].batch == code])
        shares.append(share_of(wins[mine], compared[mine]))
        batches.append({"batch": str(code), "label": name, "share": shares[-1].as_mapping()})
    by_labeler = shares_by_group(columns.labeler[order], len(columns.labelers), wins[order], compared[order])
    change = change_between(shares[0], shares[-1]) if len(shares) > 1 else None
    return {
        "code": key[0],
        "name": key[1],
        "total": share_of(wins[order], compared[order]).as_mapping(),
        "batches": batches,
        "labelers": [
            {"code": str(who.code), "label": who.pseudonym, "share": share.as_mapping()}
            for who, share in zip(stored.labelers, by_labeler, strict=True)
            if share.tasks
        ],
        "change": None if change is None else asdict(change) | {"is_clear": change.is_clear},
        "line": _line(stored, order, wins, compared, ANCHOR_WINDOW),
    }


def _line(
    stored: StoredRankings, order: Ints, above: Floats, below: Floats, window: int
) -> list[dict[str, Any]]:
    """Return rolling points, each at the time of its window's last ranking."""
    points = rolling_rate(above[order], below[order], window=window)
    return [
        {
            "at": _moment(stored.created_at[order[point.end]]),
            "value": point.value,
            "low": point.low,
            "high": point.high,
        }
        for point in points
    ]


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="minutes")
