"""Agreement by what it may depend on: cohort, kind, batch, category, language, K, month, labeler pair."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from labeling.models import Category, Cohort, TaskKind
from labeling.rules.agreement import TIE_MODES, Agreement, agreement_of
from labeling.rules.alpha import Alpha, krippendorff_alpha
from labeling.rules.meetings import Meetings, meetings_of
from labeling.rules.rank_correlation import mean_kendall_w, mean_tau_b
from labeling.rules.ranking_columns import Ints, signs_of
from labeling.rules.stored_rankings import StoredRankings, TaskFacts

UNKNOWN = "not known"
ACROSS = "across"
MAX_MATRIX = 40
"""Labelers in the matrix of pairs, those with the most tasks in common with others first."""


@dataclass(frozen=True)
class Dimension:
    """Something agreement is sliced by: how a task is placed in it, and how its values are called."""

    key: str
    label: str
    value: Callable[[TaskFacts], Hashable]
    name: Callable[[Any], str] = str


def _label_in(choices: Any) -> Callable[[Any], str]:
    labels = dict(choices.choices)
    return lambda value: str(labels.get(value, value or UNKNOWN))


DIMENSIONS = (
    Dimension("kind", "Kind of task", lambda task: task.kind, _label_in(TaskKind)),
    Dimension("category", "Prompt category", lambda task: task.category, _label_in(Category)),
    Dimension("language", "Language", lambda task: task.language, lambda value: value or UNKNOWN),
    Dimension("k", "Number of responses", lambda task: task.k, lambda value: f"K = {value}"),
    Dimension("batch", "Batch", lambda task: (str(task.batch), task.batch_name), lambda value: value[1]),
)


def agreement_report(stored: StoredRankings) -> dict[str, Any]:
    """Return every figure about all rankings, for the kept report: by tie mode, with slices."""
    meetings = meetings_of(stored.columns)
    return {
        "rankings": len(stored),
        "tasks": len(np.unique(meetings.task)),
        "modes": {mode: _in_mode(stored, meetings, mode) for mode in TIE_MODES},
        "tau_b": asdict(mean_tau_b(meetings)),
        "w": asdict(mean_kendall_w(stored.columns)),
        "sign_alpha": asdict(sign_alpha(stored)),
    }


def pairs_report(stored: StoredRankings) -> dict[str, Any]:
    """Return agreement of every two labelers who met, and who they are, for the matrix."""
    columns, meetings = stored.columns, meetings_of(stored.columns)
    first, second = columns.labeler[meetings.first], columns.labeler[meetings.second]
    low, high = np.minimum(first, second), np.maximum(first, second)
    met = np.bincount(np.r_[low, high], minlength=len(columns.labelers))
    shown = [int(i) for i in np.argsort(-met, kind="stable")[:MAX_MATRIX] if met[i]]
    shown.sort(key=lambda i: stored.labelers[i].pseudonym)
    cells = []
    pair = low * max(1, len(columns.labelers)) + high
    for value in np.unique(pair):
        part = meetings.where(pair == value)
        a, b = int(value) // len(columns.labelers), int(value) % len(columns.labelers)
        if a in shown and b in shown:
            modes = {mode: _plain(agreement_of(part, columns, mode)) for mode in TIE_MODES}
            cells.append({"a": shown.index(a), "b": shown.index(b), "modes": modes})
    labelers = [stored.labelers[i] for i in shown]
    return {
        "labelers": [{"code": str(who.code), "pseudonym": who.pseudonym} for who in labelers],
        "left_out": int(np.sum(met > 0)) - len(shown),
        "cells": cells,
    }


def sign_alpha(stored: StoredRankings) -> Alpha:
    """Compute nominal alpha of better, tied, worse: a unit is a pair of responses of a task.

    Ranks themselves are only relative within a task, so alpha over raw ranks would mean nothing.
    """
    units, values, clusters = [], [], []
    offset = 0
    for stack in stored.columns.stacks(least_labelers=2):
        signs = signs_of(stack.ranks())
        t, _, pairs = signs.shape
        unit = offset + np.arange(t * pairs).reshape(t, 1, pairs)
        units.append(np.broadcast_to(unit, signs.shape).ravel())
        clusters.append(np.broadcast_to(stack.task[:, None, None], signs.shape).ravel())
        values.append(signs.ravel())
        offset += t * pairs
    if not units:
        nothing = np.zeros(0, dtype=np.int64)
        return krippendorff_alpha(nothing, np.zeros(0), level="nominal")
    joined = (np.concatenate(units), np.concatenate(values))
    return krippendorff_alpha(*joined, level="nominal", cluster=np.concatenate(clusters))


def _in_mode(stored: StoredRankings, meetings: Meetings, mode: str) -> dict[str, Any]:
    columns = stored.columns
    slices = [
        {"key": "cohort", "label": "Cohort", "rows": _by_cohort(stored, meetings, mode)},
        *(
            {
                "key": dimension.key,
                "label": dimension.label,
                "rows": _by_task(stored, meetings, mode, dimension),
            }
            for dimension in DIMENSIONS
        ),
        {"key": "month", "label": "Month", "rows": _by_month(stored, meetings, mode)},
    ]
    return {"total": _plain(agreement_of(meetings, columns, mode, resampled=True)), "slices": slices}


def _by_cohort(stored: StoredRankings, meetings: Meetings, mode: str) -> list[dict[str, Any]]:
    columns = stored.columns
    cohort = np.array([who.cohort for who in stored.labelers] or [""])
    one, other = (cohort[columns.labeler[side]] for side in (meetings.first, meetings.second))
    rows = []
    for value, label in Cohort.choices:
        part = meetings.where((one == value) & (other == value))
        rows.append(_row(value, label, agreement_of(part, columns, mode, resampled=mode == "strict")))
    across = meetings.where(one != other)
    if len(across):
        rows.append(_row(ACROSS, "Across cohorts", agreement_of(across, columns, mode)))
    return rows


def _by_task(
    stored: StoredRankings, meetings: Meetings, mode: str, dimension: Dimension
) -> list[dict[str, Any]]:
    values = [dimension.value(task) for task in stored.tasks]
    numbers = {value: number for number, value in enumerate(dict.fromkeys(values))}
    of_task = np.array([numbers[value] for value in values] or [0], dtype=np.int64)
    rows = _rows(stored, meetings, mode, of_task[meetings.task], numbers, dimension.name)
    if dimension.key == "batch":
        return [{**row, "key": row["key"][0]} for row in rows]
    if dimension.key == "k":
        return sorted(rows, key=lambda row: int(row["key"]))
    return sorted(rows, key=lambda row: -int(row["agreement"]["pairs"]))


def _by_month(stored: StoredRankings, meetings: Meetings, mode: str) -> list[dict[str, Any]]:
    """Slice by the month in which the later of the two rankings was made."""
    months = [f"{moment:%Y-%m}" for moment in stored.created_at]
    numbers = {month: number for number, month in enumerate(sorted(set(months)))}
    of_ranking = np.array([numbers[month] for month in months] or [0], dtype=np.int64)
    later = np.maximum(of_ranking[meetings.first], of_ranking[meetings.second])
    return _rows(stored, meetings, mode, later, numbers, str)


def _rows(
    stored: StoredRankings,
    meetings: Meetings,
    mode: str,
    group: Ints,
    numbers: dict[Any, int],
    name: Callable[[Any], str],
) -> list[dict[str, Any]]:
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(len(numbers) + 1))
    rows = []
    for value, number in numbers.items():
        part = order[bounds[number] : bounds[number + 1]]
        if len(part):
            found = Meetings(**{key: column[part] for key, column in vars(meetings).items()})
            rows.append(_row(value, name(value), agreement_of(found, stored.columns, mode)))
    return rows


def _row(key: Hashable, label: str, agreement: Agreement) -> dict[str, Any]:
    return {"key": key, "label": label, "agreement": _plain(agreement)}


def _plain(agreement: Agreement) -> dict[str, Any]:
    return asdict(agreement) | {"is_thin": agreement.is_thin}


def slice_keys() -> Iterable[str]:
    """Name everything agreement is sliced by, besides labeler pairs."""
    return ("cohort", *(dimension.key for dimension in DIMENSIONS), "month")
