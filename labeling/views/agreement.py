"""How often labelers agree, with intervals: over all, by what it may depend on, and pair by pair."""

from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import render

from labeling.rules.access import Action
from labeling.rules.quality_reports import report
from labeling.views.access import PageRequest, require

TIE_MODES = (
    (
        "strict",
        "Ties left out",
        "Pairs that either labeler ties are left out, as the reward model sees them.",
    ),
    ("half", "A tie counts half", "One tie counts a half, two ties as agreement."),
    ("three_way", "Three answers", "Better, worse and tied are three answers; only the same one agrees."),
)
PAPER = (
    {"label": "Paper, training labelers", "value": 0.726, "low": 0.711, "high": 0.741},
    {"label": "Paper, held-out labelers", "value": 0.773, "low": 0.760, "high": 0.786},
)
"""Ouyang et al. 2022, sec. 3.4: 72.6 ± 1.5 % and 77.3 ± 1.3 %. What the ± stands for is not said there."""
ROWS_SHOWN = 12


@require(Action.SEE_AGREEMENT)
def overview(request: PageRequest) -> HttpResponseBase:
    """Show pairwise agreement with its 95 % interval, beside chance and the paper's figures."""
    mode = mode_of(request)
    found = report("agreement")
    context: dict[str, Any] = {"mode": mode, "modes": TIE_MODES, "paper": PAPER, "report": found}
    if found.body is not None:
        figures = found.body["modes"][mode[0]]
        slices = {part["key"]: part for part in figures["slices"]}
        context |= {
            "total": figures["total"],
            "cohorts": slices.pop("cohort")["rows"],
            "slices": [_shortened(part) for part in slices.values() if _tells(part)],
            "figures": found.body,
            "pairs": _matrix(mode[0]),
        }
    return render(request, "agreement/overview.html", context)


def mode_of(request: PageRequest) -> tuple[str, str, str]:
    """Return the tie mode that the address asks for, strict by default."""
    wanted = request.GET.get("ties", "strict")
    return next((row for row in TIE_MODES if row[0] == wanted), TIE_MODES[0])


def _tells(part: dict[str, Any]) -> bool:
    """Return whether a slicing shows more than the total: more than one row, or which batch it is."""
    return len(part["rows"]) > 1 or (part["key"] == "batch" and bool(part["rows"]))


def _shortened(part: dict[str, Any]) -> dict[str, Any]:
    rows = part["rows"]
    shown = rows[-ROWS_SHOWN:] if part["key"] == "month" else rows[:ROWS_SHOWN]
    return {**part, "rows": shown, "left_out": len(rows) - len(shown)}


def _matrix(mode: str) -> dict[str, Any]:
    """Return the pairs of labelers as rows of a square table, empty where two never met."""
    body = report("pairs").body or {"labelers": [], "cells": [], "left_out": 0}
    labelers = body["labelers"]
    rows: list[list[Any]] = [[None] * len(labelers) for _ in labelers]
    for cell in body["cells"]:
        rows[cell["a"]][cell["b"]] = rows[cell["b"]][cell["a"]] = cell["modes"][mode]
    return {
        "labelers": labelers,
        "left_out": body["left_out"],
        "rows": [
            {"labeler": labeler, "cells": row, "own": number}
            for number, (labeler, row) in enumerate(zip(labelers, rows, strict=True))
        ],
    }
