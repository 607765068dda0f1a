"""Shares of totals by labeler, each with its error over tasks, and estimates drawn towards the middle.

Every figure about a labeler is a ratio of totals over that person's rankings: so many pairs agreed of so many
compared, so many won by the response shown first of so many. A ranking is a task, so that is the cluster.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from labeling.rules.agreement import FEW_TASKS, Z_95, unanimous_bound
from labeling.rules.ranking_columns import Floats, Ints, totals
from labeling.rules.resampling import ratio


@dataclass(frozen=True)
class Share:
    """A ratio of totals. `value` is None where there is nothing to divide by.

    standard_error, low, high   clustered on tasks; None with fewer than two
    tasks                       rankings that count
    count                       what was counted below the line, such as pairs
    """

    value: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    tasks: int
    count: float

    @property
    def is_thin(self) -> bool:
        """Whether there are too few tasks to say anything."""
        return self.tasks < FEW_TASKS

    def as_mapping(self) -> dict[str, Any]:
        """Return the figures as they are kept and exported."""
        return asdict(self) | {"is_thin": self.is_thin}


def share_of(above: Floats, below: Floats, *, bounds: tuple[float, float] = (0.0, 1.0)) -> Share:
    """Return the ratio of two totals, one entry a task."""
    return shares_by_group(np.zeros(len(below), dtype=np.int64), 1, above, below, bounds=bounds)[0]


def shares_by_group(
    group: Ints, groups: int, above: Floats, below: Floats, *, bounds: tuple[float, float] = (0.0, 1.0)
) -> list[Share]:
    """Return the ratio of two totals for each group, such as a labeler; one entry a ranking.

    The interval is value ± 1.96 standard errors, cut to `bounds`; that of a share of nothing or all is exact.
    """
    used = below > 0
    group, above, below = group[used], above[used], below[used]
    tasks = np.bincount(group, minlength=groups)
    total = totals(group, below, groups)
    value = ratio(totals(group, above, groups), total)
    residuals = above - value[group] * below
    spread = totals(group, residuals**2, groups)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(tasks > 1, np.sqrt(tasks / (tasks - 1) * spread) / total, np.nan)
    low, high = (np.clip(value + side * Z_95 * error, *bounds) for side in (-1, 1))
    if bounds == (0.0, 1.0):
        for g in np.flatnonzero((tasks > 1) & ((value == 0) | (value == 1))):
            bound = unanimous_bound(int(tasks[g]))
            low[g], high[g] = (bound, 1.0) if value[g] else (0.0, 1 - bound)
    return [
        Share(
            _known(value[g]),
            _known(error[g]),
            _known(low[g]),
            _known(high[g]),
            int(tasks[g]),
            float(total[g]),
        )
        for g in range(groups)
    ]


def shrunken(shares: list[Share]) -> list[tuple[float, float] | None]:
    """Draw each labeler's share towards the mean of all, the more the less is known about it.

    Returns value and standard error, None where a labeler has no share. Normal errors, normal spread between
    labelers, that spread by DerSimonian and Laird 1986; a labeler's own error is at least the binomial one,
    so that three lucky tasks do not look certain.
    """
    known = [share for share in shares if share.value is not None]
    if not known:
        return [None] * len(shares)
    value = np.array([share.value for share in known], dtype=np.float64)
    count = np.array([share.count for share in known])
    tasks = np.array([share.tasks for share in known])
    error = np.array([share.standard_error or 0.0 for share in known])
    middle = float(np.average(value, weights=count))
    binomial = max(middle * (1 - middle), 1e-4) / np.where(tasks > 1, count, 1.0)
    variance = np.maximum(error**2, binomial)
    between = _between(value, variance)
    mean = float(np.average(value, weights=1 / (variance + between)))
    trust = between / (variance + between)
    drawn = mean + trust * (value - mean)
    rows = iter(zip(drawn.tolist(), np.sqrt(trust * variance).tolist(), strict=True))
    return [None if share.value is None else next(rows) for share in shares]


def _between(value: Floats, variance: Floats) -> float:
    """How much labelers differ from each other beyond what chance makes them (a variance)."""
    if len(value) < 2:
        return 0.0
    weight = 1 / variance
    total = float(weight.sum())
    mean = float(np.average(value, weights=weight))
    excess = float(np.sum(weight * (value - mean) ** 2)) - (len(value) - 1)
    return max(0.0, excess / (total - float(np.sum(weight**2)) / total))


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
