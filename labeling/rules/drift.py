"""A rate as it moves in time: over the latest so many tasks, with its interval."""

from dataclasses import dataclass

import numpy as np

from labeling.rules.agreement import Z_95
from labeling.rules.labeler_ratios import Share
from labeling.rules.ranking_columns import Floats

WINDOW = 50
MAX_POINTS = 60


@dataclass(frozen=True)
class Window:
    """The rate over some consecutive tasks; `start` and `end` are indices into them, end included."""

    start: int
    end: int
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Change:
    """The rate of the later tasks less that of the earlier ones, with a 95 % interval."""

    difference: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves no change out."""
        return self.low > 0 or self.high < 0


def rolling_rate(above: Floats, below: Floats, *, window: int = WINDOW) -> list[Window]:
    """Return the ratio of totals over each `window` consecutive tasks, thinned to what a chart shows.

    Tasks come in order of time; those with nothing below the line are left out by the caller. The interval
    is clustered on tasks. With fewer tasks than a window there is nothing to draw.
    """
    n = len(below)
    if n < window or window < 2:
        return []
    ends = np.arange(window, n + 1)
    if len(ends) > MAX_POINTS:
        ends = np.unique(np.linspace(window, n, MAX_POINTS).round().astype(np.int64))
    starts = ends - window
    sums = [
        np.r_[0.0, np.cumsum(column)][ends] - np.r_[0.0, np.cumsum(column)][starts]
        for column in (above, below, above**2, above * below, below**2)
    ]
    value = sums[0] / sums[1]
    spread = np.maximum(0.0, sums[2] - 2 * value * sums[3] + value**2 * sums[4])
    error = np.sqrt(window / (window - 1) * spread) / sums[1]
    low, high = np.maximum(0.0, value - Z_95 * error), np.minimum(1.0, value + Z_95 * error)
    rows = zip(starts.tolist(), (ends - 1).tolist(), value.tolist(), low.tolist(), high.tolist(), strict=True)
    return [Window(*row) for row in rows]


def change_between(earlier: Share, later: Share) -> Change | None:
    """Compare two independent rates; None where one has no error."""
    before, after = earlier.value, later.value
    if before is None or after is None or earlier.standard_error is None or later.standard_error is None:
        return None
    margin = Z_95 * float(np.hypot(earlier.standard_error, later.standard_error))
    return Change(after - before, after - before - margin, after - before + margin)
