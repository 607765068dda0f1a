"""Kendall's tau-b between two orders, and W among several, both with ties taken into account."""

from dataclasses import dataclass

import numpy as np

from labeling.rules.agreement import Z_95
from labeling.rules.meetings import Meetings
from labeling.rules.ranking_columns import Columns, Floats, Ints


@dataclass(frozen=True)
class RankCorrelation:
    """A mean over tasks of Kendall's tau-b (-1 to 1) or W (0 to 1).

    standard_error, low, high   over tasks; None with fewer than two
    tasks                       that have a value
    undefined                   comparisons (tau) or tasks (W) without one: somebody tied everything
    """

    value: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    tasks: int
    undefined: int


def tau_b(meetings: Meetings) -> Floats:
    """Compute tau-b of each meeting; NaN where one of the two tied everything (Kendall 1945)."""
    compared = meetings.compared.astype(np.float64)
    by_first = compared - meetings.first_tied - meetings.both_tied
    by_second = compared - meetings.second_tied - meetings.both_tied
    scale = np.sqrt(by_first * by_second)
    difference = (meetings.same - meetings.opposite).astype(np.float64)
    found: Floats = np.divide(difference, scale, out=np.full_like(scale, np.nan), where=scale > 0)
    return found


def mean_tau_b(meetings: Meetings) -> RankCorrelation:
    """Average tau-b within each task, then over tasks."""
    found = tau_b(meetings)
    known = np.isfinite(found)
    _, task = np.unique(meetings.task[known], return_inverse=True)
    sizes = np.bincount(task)
    means = np.bincount(task, weights=found[known]) / sizes if len(sizes) else np.zeros(0)
    return _over_tasks(means, undefined=int(np.sum(~known)))


def kendall_w(ranks: Floats) -> Floats:
    """Compute W of tasks (T, m, k) that m labelers ranked; NaN where everybody tied everything.

    W = 12 S / (m^2 (k^3 - k) - m sum(t^3 - t)) with S the spread of the rank sums and t the sizes of ties
    (Kendall and Smith 1939, with the correction for ties).
    """
    m, k = ranks.shape[-2:]
    equal = (ranks[..., :, None] == ranks[..., None, :]).sum(axis=-1)  # (T, m, k), itself counted
    below = (ranks[..., None, :] < ranks[..., :, None]).sum(axis=-1)
    middle = below + (equal + 1) / 2  # tied responses share the mean of their ranks
    sums = middle.sum(axis=-2)
    spread = ((sums - m * (k + 1) / 2) ** 2).sum(axis=-1)
    ties = (equal.astype(np.float64) ** 2 - 1).sum(axis=(-2, -1))  # each tie of t adds t (t^2 - 1)
    scale = m**2 * (k**3 - k) - m * ties
    found: Floats = np.divide(12 * spread, scale, out=np.full(np.shape(scale), np.nan), where=scale > 0)
    return found


def mean_kendall_w(columns: Columns, tasks: Ints | None = None) -> RankCorrelation:
    """Average W over the tasks that three or more labelers ranked whole, of some tasks or of all."""
    parts = []
    for stack in columns.stacks(least_labelers=3):
        ranks = stack.ranks()
        whole = ~np.isnan(ranks).any(axis=(1, 2))
        if tasks is not None:
            whole &= np.isin(stack.task, tasks)
        parts.append(kendall_w(ranks[whole]))
    found = np.concatenate(parts) if parts else np.zeros(0)
    known = np.isfinite(found)
    return _over_tasks(found[known], undefined=int(np.sum(~known)))


def _over_tasks(means: Floats, undefined: int) -> RankCorrelation:
    if not len(means):
        return RankCorrelation(None, None, None, None, 0, undefined)
    value = float(np.mean(means))
    error = float(np.std(means, ddof=1) / np.sqrt(len(means))) if len(means) > 1 else None
    return RankCorrelation(
        value=value,
        standard_error=error,
        low=None if error is None else max(-1.0, value - Z_95 * error),
        high=None if error is None else min(1.0, value + Z_95 * error),
        tasks=len(means),
        undefined=undefined,
    )
