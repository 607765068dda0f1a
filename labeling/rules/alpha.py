"""Krippendorff's alpha: agreement beyond chance, for any number of raters and with gaps.

Krippendorff 2019, Content Analysis, ch. 12: alpha = 1 - observed / expected disagreement over the coincidence
matrix of all values that raters gave to the same unit. It is undefined where no two values differ.
"""

from dataclasses import dataclass

import numpy as np

from labeling.errors import InvalidInput
from labeling.rules.ranking_columns import Floats, Ints
from labeling.rules.resampling import percentile_interval, resample_sums

LEVELS = ("nominal", "ordinal", "interval", "ratio")
NO_VARIATION = "no variation"
NOTHING_SHARED = "nothing rated twice"


@dataclass(frozen=True)
class Alpha:
    """Krippendorff's alpha: 1 is perfect, 0 is chance, below 0 is against each other.

    value       None where it is undefined, and `undefined` says why: "no variation" where everybody always
                gave the same value, "nothing rated twice" where no unit has two values
    low, high   95 % interval, bootstrap over clusters (tasks); None with fewer than two
    units       units with at least two values
    values      values in those units
    clusters    clusters they come from
    """

    level: str
    value: float | None
    low: float | None
    high: float | None
    units: int
    values: int
    clusters: int
    undefined: str = ""


def krippendorff_alpha(
    unit: Ints, value: Floats, *, level: str, cluster: Ints | None = None, resampled: bool = True
) -> Alpha:
    """Compute alpha from one entry for each rating: which unit, which value (NaN: not rated).

    `cluster` is the task of each rating, over which the interval is drawn; by default the unit itself.
    """
    if level not in LEVELS:
        raise InvalidInput(f'level "{level}" is not one of {", ".join(LEVELS)}.')
    known = ~np.isnan(value)
    unit, value = unit[known], value[known]
    cluster = unit if cluster is None else cluster[known]
    units, unit_at, size = np.unique(unit, return_inverse=True, return_counts=True)
    paired = size[unit_at] >= 2
    if not paired.any():
        return Alpha(level, None, None, None, 0, 0, 0, NOTHING_SHARED)
    levels, value_at = np.unique(value[paired], return_inverse=True)
    units, unit_at, size = np.unique(unit[paired], return_inverse=True, return_counts=True)
    cluster_of = np.zeros(len(units), dtype=np.int64)
    cluster_of[unit_at] = cluster[paired]
    clusters, cluster_at = np.unique(cluster_of, return_inverse=True)
    shape = (len(units), len(levels))
    counts = np.bincount(unit_at * shape[1] + value_at, minlength=shape[0] * shape[1]).reshape(shape)
    by_cluster = _coincidences(counts.astype(np.float64), size, cluster_at, len(clusters))
    point = alpha_of_coincidences(by_cluster.sum(axis=0), levels, level)
    found = float(point) if np.isfinite(point) else None
    interval = None
    if found is not None and resampled and len(clusters) > 1:
        drawn = resample_sums(by_cluster.reshape(len(clusters), -1))
        drawn = drawn.reshape(-1, shape[1], shape[1])
        interval = percentile_interval(alpha_of_coincidences(drawn, levels, level))
    return Alpha(
        level=level,
        value=found,
        low=interval[0] if interval else None,
        high=interval[1] if interval else None,
        units=shape[0],
        values=int(size.sum()),
        clusters=len(clusters),
        undefined="" if found is not None else NO_VARIATION,
    )


def alpha_of_coincidences(coincidences: Floats, levels: Floats, level: str) -> Floats:
    """Compute alpha from coincidence matrices (…, V, V) over the sorted values `levels` (V,).

    NaN where nothing is expected to differ.
    """
    totals = coincidences.sum(axis=-1)  # (…, V)
    count = totals.sum(axis=-1)
    distance = _distances(totals, levels, level)
    observed = (coincidences * distance).sum(axis=(-2, -1))
    expected = (totals[..., :, None] * totals[..., None, :] * distance).sum(axis=(-2, -1))
    ratio = np.divide(
        observed * (count - 1), expected, out=np.full(np.shape(count), np.nan), where=expected > 0
    )
    alpha: Floats = 1 - ratio
    return alpha


def _coincidences(counts: Floats, size: Ints, cluster: Ints, clusters: int) -> Floats:
    """Add up, for each cluster, the pairs of values within units: a unit of n values weighs n."""
    width = counts.shape[1]
    found = np.zeros((clusters, width, width))
    for one in range(width):
        for other in range(width):
            pairs = counts[:, one] * (counts[:, other] - (one == other)) / (size - 1)
            found[:, one, other] = np.bincount(cluster, weights=pairs, minlength=clusters)
    return found


def _distances(totals: Floats, levels: Floats, level: str) -> Floats:
    """Return the squared distance between values, (V, V) or, for ordinal values, (…, V, V)."""
    one, other = levels[:, None], levels[None, :]
    if level == "nominal":
        return np.asarray(one != other, dtype=np.float64)
    if level == "interval":
        return np.asarray((one - other) ** 2, dtype=np.float64)
    if level == "ratio":
        total = one + other
        return np.asarray(((one - other) / np.where(total == 0, 1, total)) ** 2, dtype=np.float64)
    # Ordinal: how many values stand from one to the other, both ends counted half.
    middle = np.cumsum(totals, axis=-1) - totals / 2
    return np.asarray((middle[..., :, None] - middle[..., None, :]) ** 2, dtype=np.float64)
