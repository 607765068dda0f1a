"""Curves of a run that are not time series: calibration of a reward model, scores over the KL.

Standard library only. A plot is a title, what its axes are, and lines of points; result.json carries them,
the page of a run draws them and prints them as tables.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Points = Sequence[tuple[float, float]]


def plot(title: str, x: str, y: str, lines: Mapping[str, Points]) -> dict[str, Any]:
    """Make a plot as plain values."""
    return {
        "title": title,
        "x": x,
        "y": y,
        "lines": [
            {"name": name, "points": [[round(a, 5), round(b, 5)] for a, b in points]}
            for name, points in lines.items()
        ],
    }


def calibration_plot(bins: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """Plot how often the higher score was preferred, over how often the model expects it."""
    observed = [(each["expected"], each["observed"]) for each in bins]
    ideal = [(each["expected"], each["expected"]) for each in bins]
    return plot(
        "Calibration of the reward model",
        "expected share of pairs in the order of the scores",
        "observed share",
        {"observed": observed, "as expected": ideal},
    )


def over_optimisation_plot(lines: Mapping[str, Points]) -> dict[str, Any]:
    """Plot scores over the square root of the KL: where gold falls and the score goes on, it is too much."""
    return plot("Score over distance from the reference", "square root of KL, nats", "mean score", lines)


def scores_over_kl(path: Path) -> dict[str, list[tuple[float, float]]]:
    """Read score and gold score over sqrt(KL) from a metrics.jsonl, valid prompts before train ones."""
    rows = read_lines(path)
    families = {
        "valid": {"reward model": "valid/score", "gold": "valid/gold_score"},
        "objective": {"reward model": "objective/score"},
    }
    for family, names in families.items():
        found: dict[str, list[tuple[float, float]]] = {}
        for label, name in names.items():
            points = [(r[f"{family}/kl"], r[name]) for r in rows if f"{family}/kl" in r and name in r]
            if len(points) > 1:
                found[label] = sorted((math.sqrt(max(0.0, kl)), score) for kl, score in points)
        if found:
            return found
    return {}


def read_lines(path: Path) -> list[dict[str, float]]:
    """Read metrics.jsonl, the later line of a step in place of the earlier, in order of steps."""
    steps: dict[int, dict[str, float]] = {}
    if not path.is_file():
        return []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            values = dict(json.loads(line))
            steps.setdefault(int(values["step"]), {}).update(values)
        except (ValueError, KeyError, TypeError):  # cut off when the process was killed
            continue
    return [steps[step] for step in sorted(steps)]
