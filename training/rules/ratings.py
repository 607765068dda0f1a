"""Shares and mean ratings with intervals in which what was said of one prompt goes together."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labeling.models import LIKERT_MAX, LIKERT_MIN

Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Share:
    """A share or a mean with its 95 % interval; `count` judgements of `prompts` prompts."""

    value: float | None
    low: float | None
    high: float | None
    count: int
    prompts: int


def mean_rating(by_prompt: Mapping[int, Sequence[float]]) -> Share:
    """Return the mean rating with a normal interval, its error clustered by prompt, cut to 1..7.

    With a single prompt there is no interval.
    """
    clusters = [list(values) for values in by_prompt.values()]
    total = sum(map(len, clusters))
    if not total:
        return Share(None, None, None, 0, 0)
    mean = sum(map(sum, clusters)) / total
    if len(clusters) < 2:
        return Share(mean, None, None, total, len(clusters))
    spread = sum((sum(values) - mean * len(values)) ** 2 for values in clusters)
    error = math.sqrt(len(clusters) / (len(clusters) - 1) * spread) / total
    low, high = max(LIKERT_MIN, mean - Z_95 * error), min(LIKERT_MAX, mean + Z_95 * error)
    return Share(mean, low, high, total, len(clusters))
