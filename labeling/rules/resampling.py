"""The bootstrap over tasks: what else the same labelers and as many tasks could have given."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from labeling.rules.ranking_columns import Floats, Ints

SEED = 20_220_304
"""Fixed, so that the same labels always show the same interval."""
REPLICATES = 1000
MANY_TASKS = 5_000
MANY_REPLICATES = 400
"""With thousands of tasks the ends of the interval hardly move from replicate to replicate."""
WEIGHTS_AT_ONCE = 2_000_000


def resample_sums(columns: ArrayLike) -> Floats:
    """Draw tasks with replacement and add their rows up: (tasks, d) gives (replicates, d)."""
    rows = np.asarray(columns, dtype=np.float64)
    return np.concatenate([weights @ rows for weights in _draws(len(rows))])


def resample_crossed(task: Ints, people: tuple[Ints, ...], columns: ArrayLike) -> Floats:
    """Draw tasks and labelers, both with replacement, and add up: (rows, d) gives (replicates, d).

    A row counts as often as its task and each of its labelers were drawn (Owen 2007, the pigeonhole
    bootstrap); with few labelers this is wider than drawing tasks alone, and rightly so.
    """
    rows = np.asarray(columns, dtype=np.float64)
    tasks, task_at = np.unique(task, return_inverse=True)
    names, person_at = np.unique(np.concatenate(people), return_inverse=True)
    sides = np.split(person_at, len(people))
    generator = np.random.default_rng(SEED)
    sums = []
    for size in _portions(len(tasks), len(rows)):
        weights = _draw(generator, len(tasks), size)[:, task_at]
        drawn = _draw(generator, len(names), size)
        for side in sides:
            weights = weights * drawn[:, side]
        sums.append(weights @ rows)
    return np.concatenate(sums)


def percentile_interval(values: Floats) -> tuple[float, float] | None:
    """Return the middle 95 % of the replicates; None where most of them have no value."""
    known = values[np.isfinite(values)]
    if len(known) < len(values) / 2 or not len(known):
        return None
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def ratio(above: Floats, below: Floats) -> Floats:
    """Divide; NaN where there is nothing to divide by."""
    result: Floats = np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)
    return result


def _draws(tasks: int) -> Iterator[Floats]:
    """Yield how often each task was drawn, some replicates at a time."""
    generator = np.random.default_rng(SEED)
    for size in _portions(tasks, tasks):
        yield _draw(generator, tasks, size)


def _portions(tasks: int, width: int) -> Iterator[int]:
    """Yield the numbers of replicates to make at a time, so that each has `width` weights."""
    left = REPLICATES if tasks <= MANY_TASKS else MANY_REPLICATES
    while left:
        size = min(left, max(1, WEIGHTS_AT_ONCE // max(1, width)))
        yield size
        left -= size


def _draw(generator: np.random.Generator, items: int, replicates: int) -> Floats:
    """Draw as many items as there are, with replacement: how often each came, (replicates, items)."""
    drawn = generator.integers(items, size=(replicates, items))
    flat = (drawn + items * np.arange(replicates)[:, None]).ravel()
    counts = np.bincount(flat, minlength=replicates * items)
    return counts.reshape(replicates, items).astype(np.float64)
