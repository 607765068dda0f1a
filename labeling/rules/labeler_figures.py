"""What each ranking adds to the figures of its labeler: something above the line and something below it.

Functions here give two columns (N,), one entry a ranking; `labeler_ratios` adds them up by labeler.
"""

import numpy as np

from labeling.rules.ranking_columns import Columns, Floats, Ints, signs_of
from labeling.rules.resampling import ratio

Ratio = tuple[Floats, Floats]
NEWTON_STEPS = 12
RIDGE = 1.0


def against_consensus(columns: Columns) -> Ratio:
    """Count the pairs that a ranking orders as the Borda order of the task's other labelers does.

    A response's Borda score is how many responses a labeler puts below it less how many above, summed over
    the others; pairs that the labeler or the others tie are left out, as in strict mode.
    """
    hits, counted = np.zeros(len(columns)), np.zeros(len(columns))
    for stack in columns.stacks(least_labelers=2):
        ranks = stack.ranks()
        placed = ~np.isnan(ranks)
        score = np.nan_to_num(np.sign(ranks[:, :, None, :] - ranks[:, :, :, None])).sum(axis=-1)
        others = score.sum(axis=1, keepdims=True) - score
        seen = placed.sum(axis=1, keepdims=True) - placed > 0
        consensus = signs_of(np.where(seen, -others, np.nan))
        _count(hits, counted, stack.ranking, signs_of(ranks), consensus)
    return hits, counted


def against_reference(columns: Columns, reference: Floats) -> Ratio:
    """Count the pairs that a ranking orders as a reference does: gold, or a reward model.

    `reference` (P,) is the reference's rank of each place, 1 best, NaN where it has none; for scores pass
    them negated. Pairs that either side ties are left out.
    """
    hits, counted = np.zeros(len(columns)), np.zeros(len(columns))
    for stack in columns.stacks():
        _count(hits, counted, stack.ranking, signs_of(stack.ranks()), signs_of(stack.fill(reference)))
    return hits, counted


def ties(columns: Columns) -> Ratio:
    """Count the pairs that a ranking ties, of all its pairs."""
    tied, pairs = np.zeros(len(columns)), np.zeros(len(columns))
    for stack in columns.stacks():
        signs = signs_of(stack.ranks())
        tied[stack.ranking] = (signs == 0).sum(axis=-1)
        pairs[stack.ranking] = (~np.isnan(signs)).sum(axis=-1)
    return tied, pairs


def first_shown_wins(columns: Columns, shown: Floats) -> Ratio:
    """Count how often the response shown first beats another; a tie counts half. Without bias: a half.

    `shown` (P,) is the position in which each place's response was shown, NaN where that is not known.
    """
    wins, compared = np.zeros(len(columns)), np.zeros(len(columns))
    for stack in columns.stacks():
        ranks, at = stack.ranks(), stack.fill(shown)
        first = np.where(at == 0, ranks, np.nan)
        first_rank = np.where(np.isnan(first).all(axis=-1), np.nan, np.nansum(first, axis=-1))[..., None]
        others = np.where(at > 0, ranks, np.nan)
        sign = np.sign(others - first_rank)
        wins[stack.ranking] = np.nansum((sign + 1) / 2, axis=-1)
        compared[stack.ranking] = (~np.isnan(sign)).sum(axis=-1)
    return wins, compared


def longer_wins(columns: Columns, length: Floats) -> Ratio:
    """Count how often the longer of two responses wins, of pairs neither tied nor of equal length.

    `length` (R,) is in characters, of each response.
    """
    wins, compared = np.zeros(len(columns)), np.zeros(len(columns))
    for stack in columns.stacks():
        signs = signs_of(stack.ranks())
        longer = signs_of(-length[stack.response])[:, None, :]  # as ranks: the longest comes first
        _count(wins, compared, stack.ranking, signs, np.broadcast_to(longer, signs.shape))
    return wins, compared


def likert_offsets(columns: Columns, likert: Floats) -> Ratio:
    """Add up how far a ranking's ratings are above the mean of the others' for the same responses."""
    above, counted = np.zeros(len(columns)), np.zeros(len(columns))
    for stack in columns.stacks(least_labelers=2):
        rated = stack.fill(likert)
        known = ~np.isnan(rated)
        total, count = np.nansum(rated, axis=1, keepdims=True), known.sum(axis=1, keepdims=True)
        others = ratio(total - np.nan_to_num(rated), (count - known).astype(np.float64))
        gap = rated - others
        above[stack.ranking] = np.nansum(gap, axis=-1)
        counted[stack.ranking] = (~np.isnan(gap)).sum(axis=-1)
    return above, counted


def length_slopes(columns: Columns, length: Floats) -> tuple[Floats, Floats]:
    """Estimate for each labeler how a longer response tilts the choice: log-odds per doubling of length.

    A logistic regression of "this one won" on the difference of log2(characters + 1), no constant, over
    untied pairs, with a weak ridge against separation. Returns slope and error clustered on tasks; NaN for
    a labeler without such pairs.
    """
    labeler, ranking, tilt = _untied(columns, length)
    n = len(columns.labelers)
    slope = np.zeros(n)
    for _ in range(NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(slope[labeler] * tilt, -30, 30)))
        gradient = np.bincount(labeler, weights=tilt * (1 - chance), minlength=n) - RIDGE * slope
        curvature = np.bincount(labeler, weights=tilt**2 * chance * (1 - chance), minlength=n) + RIDGE
        slope = np.clip(slope + gradient / curvature, -10, 10)
    chance = 1 / (1 + np.exp(-np.clip(slope[labeler] * tilt, -30, 30)))
    by_ranking = np.bincount(ranking, weights=tilt * (1 - chance), minlength=len(columns))
    spread = np.bincount(columns.labeler, weights=by_ranking**2, minlength=n)
    curvature = np.bincount(labeler, weights=tilt**2 * chance * (1 - chance), minlength=n) + RIDGE
    seen = np.bincount(labeler, minlength=n) > 0
    return np.where(seen, slope, np.nan), np.where(seen, np.sqrt(spread) / curvature, np.nan)


def _untied(columns: Columns, length: Floats) -> tuple[Ints, Ints, Floats]:
    """Return one entry for each untied pair: labeler, ranking, log2 length of the winner less the loser's."""
    labelers, rankings, tilts = [], [], []
    for stack in columns.stacks():
        signs = signs_of(stack.ranks())
        left, right = np.triu_indices(stack.shape[2], k=1)
        size = np.log2(length[stack.response] + 1)
        gap = (size[:, left] - size[:, right])[:, None, :]
        decided = (signs == 1) | (signs == -1)
        ranking = np.broadcast_to(stack.ranking[:, :, None], signs.shape)[decided]
        labelers.append(columns.labeler[ranking])
        rankings.append(ranking)
        tilts.append((signs * gap)[decided])
    if not labelers:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate(labelers), np.concatenate(rankings), np.concatenate(tilts)


def _count(hits: Floats, counted: Floats, ranking: Ints, signs: Floats, reference: Floats) -> None:
    product = signs * reference  # NaN and 0 are neither
    hits[ranking] = (product == 1).sum(axis=-1)
    counted[ranking] = (np.abs(product) == 1).sum(axis=-1)
