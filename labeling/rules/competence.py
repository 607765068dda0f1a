"""How reliable each labeler seems from preferences alone: Dawid and Skene 1979. Advice, never a verdict.

One coin a labeler: with probability `competence` they report which of two responses is better, otherwise the
other one. Two coins: one for pairs whose better response they were shown first, one for pairs whose better
response they were shown later; a difference is a lean towards a place on the screen.
Dropping labelers by such figures did not make reward models better (Stiennon et al. 2020, App. C.2), so
nothing here drops anybody.
"""

import numpy as np

from labeling.rules.ranking_columns import Columns, Floats, Ints, signs_of, totals

ROUNDS = 200
TOLERANCE = 1e-7
PRIOR_RIGHT, PRIOR_WRONG = 4.0, 2.0
"""As if everybody had been seen right four times in six: keeps a labeler of few pairs near the others."""


def competences(columns: Columns) -> tuple[Floats, Ints]:
    """Estimate each labeler's chance of reporting the better of two; and the pairs it was estimated from.

    Ties are left out. NaN for a labeler who shares no pair with anybody.
    """
    item, labeler, sign, _ = _votes(columns)
    n = len(columns.labelers)
    coin = np.zeros((len(item), 2), dtype=np.int64)  # the same whichever is better
    right = _fit(item, labeler, sign, coin, n)
    seen = np.bincount(labeler, minlength=n)
    return np.where(seen > 0, right[:, 0], np.nan), seen


def competences_by_place(columns: Columns, shown: Floats) -> tuple[Floats, Floats]:
    """Estimate for each labeler the chance (J,) of being right where the better response was shown first,
    and where it was shown later.

    `shown` (P,) is the position in which each place's response was shown, NaN where that is not known: such
    pairs and ties are left out. NaN for a labeler without a pair shared with anybody.
    """
    item, labeler, sign, is_first = _votes(columns, shown)
    n = len(columns.labelers)
    # Coin 0 where the better response was shown first: the first of the pair if it is, else the second.
    coin = np.stack([np.where(is_first > 0, 0, 1), np.where(is_first > 0, 1, 0)], axis=1)
    right = _fit(item, labeler, sign, coin, n)
    right[np.bincount(labeler, minlength=n) == 0] = np.nan
    return right[:, 0], right[:, 1]


def _fit(item: Ints, labeler: Ints, sign: Floats, coin: Ints, labelers: int) -> Floats:
    """Return each labeler's chance (J, 2) of being right on each coin, by expectation and maximisation.

    coin (V, 2) is the coin of a vote if the first response of its pair is the better one, and if the second
    one is.
    """
    right = np.full((labelers, 2), 0.75)
    if not len(item):
        return right
    says_first = sign > 0
    cell = 2 * labeler[:, None] + coin
    for _ in range(ROUNDS):
        # How likely is the first response of each pair the better one, given what everybody is worth?
        chance = right.reshape(-1)[cell]
        if_first = np.where(says_first, chance[:, 0], 1 - chance[:, 0])
        if_second = np.where(says_first, 1 - chance[:, 1], chance[:, 1])
        first_better = 1 / (1 + np.exp(-np.bincount(item, weights=np.log(if_first / if_second))))
        # How often was each labeler right, given that?
        likely = np.stack([first_better[item], 1 - first_better[item]], axis=1)
        hit = likely * np.stack([says_first, ~says_first], axis=1)
        hits = totals(cell.ravel(), hit.ravel(), 2 * labelers).reshape(-1, 2)
        seen = totals(cell.ravel(), likely.ravel(), 2 * labelers).reshape(-1, 2)
        updated = (hits + PRIOR_RIGHT) / (seen + PRIOR_RIGHT + PRIOR_WRONG)
        moved = float(np.max(np.abs(updated - right)))
        right = updated
        if moved < TOLERANCE:
            break
    return right


def _votes(columns: Columns, shown: Floats | None = None) -> tuple[Ints, Ints, Floats, Floats]:
    """Return one entry for each untied preference on a pair that two or more labelers ordered.

    The pair, the labeler, 1 or -1 for its first or second response, and 1 or -1 for the one shown first.
    Where `shown` is given, pairs whose order on the screen is not known are left out.
    """
    items, labelers, signs, places = [], [], [], []
    offset = 0
    for stack in columns.stacks(least_labelers=2):
        found = signs_of(stack.ranks())  # (T, m, pairs)
        t, _, pairs = found.shape
        item = offset + np.broadcast_to(np.arange(t * pairs).reshape(t, 1, pairs), found.shape)
        labeler = np.broadcast_to(columns.labeler[stack.ranking][:, :, None], found.shape)
        decided = ~np.isnan(found) & (found != 0)
        is_first = np.ones(found.shape) if shown is None else signs_of(stack.fill(shown))
        decided &= ~np.isnan(is_first)
        decided &= (decided.sum(axis=1) >= 2)[:, None, :]
        items.append(item[decided])
        labelers.append(labeler[decided])
        signs.append(found[decided])
        places.append(is_first[decided])
        offset += t * pairs
    if not items:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64), np.zeros(0), np.zeros(0)
    return np.concatenate(items), np.concatenate(labelers), np.concatenate(signs), np.concatenate(places)
