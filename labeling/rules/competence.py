"""How reliable each labeler seems from preferences alone: one-coin Dawid-Skene. Advice, never a verdict.

Dawid and Skene 1979 with one parameter a labeler: with probability `competence` the labeler reports which of
two responses is better, otherwise the other one. Dropping labelers by such figures did not make reward models
better (Stiennon et al. 2020, App. C.2), so nothing here drops anybody.
"""

import numpy as np

from labeling.rules.ranking_columns import Columns, Floats, Ints, signs_of

ROUNDS = 200
TOLERANCE = 1e-7
PRIOR_RIGHT, PRIOR_WRONG = 4.0, 2.0
"""As if everybody had been seen right four times in six: keeps a labeler of few pairs near the others."""


def competences(columns: Columns) -> tuple[Floats, Ints]:
    """Estimate each labeler's chance of reporting the better of two; and the pairs it was estimated from.

    Ties are left out. NaN for a labeler who shares no pair with anybody.
    """
    item, labeler, sign = _votes(columns)
    n = len(columns.labelers)
    seen = np.bincount(labeler, minlength=n)
    if not len(item):
        return np.full(n, np.nan), seen
    right = np.full(n, 0.75)
    for _ in range(ROUNDS):
        # How likely is the first response of each pair the better one, given what everybody is worth?
        weight = np.log(right / (1 - right))
        evidence = np.bincount(item, weights=sign * weight[labeler])
        first_better = 1 / (1 + np.exp(-evidence))
        # How often was each labeler right, given that?
        hit = np.where(sign > 0, first_better[item], 1 - first_better[item])
        hits = np.bincount(labeler, weights=hit, minlength=n)
        updated = (hits + PRIOR_RIGHT) / (seen + PRIOR_RIGHT + PRIOR_WRONG)
        moved = float(np.max(np.abs(updated - right)))
        right = updated
        if moved < TOLERANCE:
            break
    return np.where(seen > 0, right, np.nan), seen


def _votes(columns: Columns) -> tuple[Ints, Ints, Floats]:
    """Return one entry for each untied preference on a pair that two or more labelers ordered."""
    items, labelers, signs = [], [], []
    offset = 0
    for stack in columns.stacks(least_labelers=2):
        found = signs_of(stack.ranks())  # (T, m, pairs)
        t, _, pairs = found.shape
        item = offset + np.broadcast_to(np.arange(t * pairs).reshape(t, 1, pairs), found.shape)
        labeler = np.broadcast_to(columns.labeler[stack.ranking][:, :, None], found.shape)
        decided = ~np.isnan(found) & (found != 0)
        decided &= (decided.sum(axis=1) >= 2)[:, None, :]
        items.append(item[decided])
        labelers.append(labeler[decided])
        signs.append(found[decided])
        offset += t * pairs
    if not items:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate(items), np.concatenate(labelers), np.concatenate(signs)
