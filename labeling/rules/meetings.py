"""Two labelers on one task: in how many pairs of responses they went the same way.

Five counts for each such meeting are all that agreement in any tie mode, over any slice, needs.
"""

from dataclasses import dataclass

import numpy as np

from labeling.rules.ranking_columns import Bools, Columns, Floats, Ints, signs_of

MAX_CELLS = 4_000_000
"""Of one array at a time; larger stacks are worked through in parts."""


@dataclass(frozen=True)
class Meetings:
    """One entry (M,) for each task and two of its labelers.

    task                     index of the task
    first, second            indices of the rankings compared
    same, opposite           pairs both ordered, alike or not
    first_tied, second_tied  pairs that only this one tied
    both_tied                pairs both tied
    """

    task: Ints
    first: Ints
    second: Ints
    same: Ints
    opposite: Ints
    first_tied: Ints
    second_tied: Ints
    both_tied: Ints

    def __len__(self) -> int:
        return len(self.task)

    @property
    def compared(self) -> Ints:
        """Pairs that both have placed."""
        return self.same + self.opposite + self.first_tied + self.second_tied + self.both_tied

    def where(self, keep: Bools) -> "Meetings":
        """Return the meetings of a slice."""
        return Meetings(**{name: column[keep] for name, column in vars(self).items()})

    def scored(self, tie_mode: str) -> tuple[Floats, Floats]:
        """Return for each meeting how many pairs agree, and how many the tie mode counts."""
        agreed, compared = self.same.astype(np.float64), self.compared.astype(np.float64)
        if tie_mode == "strict":
            return agreed, (self.same + self.opposite).astype(np.float64)
        if tie_mode == "half":
            return agreed + self.both_tied + (self.first_tied + self.second_tied) / 2, compared
        return agreed + self.both_tied, compared


def meetings_of(columns: Columns) -> Meetings:
    """Count, for every two labelers of every task, how they ordered each pair of responses."""
    parts: list[list[Ints]] = []
    for stack in columns.stacks(least_labelers=2):
        t, m, k = stack.shape
        one, other = np.triu_indices(m, k=1)
        ranks = stack.ranks()
        step = max(1, MAX_CELLS // (len(one) * (k * (k - 1) // 2)))
        for start in range(0, t, step):
            rows = slice(start, start + step)
            signs = signs_of(ranks[rows])  # (T, m, pairs)
            parts.append(
                [
                    np.repeat(stack.task[rows], len(one)),
                    stack.ranking[rows][:, one].ravel(),
                    stack.ranking[rows][:, other].ravel(),
                    *(count.ravel() for count in _counts(signs[:, one], signs[:, other])),
                ]
            )
    joined = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Meetings(*(joined or [np.zeros(0, dtype=np.int64)] * 8))


def _counts(one: Floats, other: Floats) -> tuple[Ints, ...]:
    product, known = one * other, ~np.isnan(one) & ~np.isnan(other)
    one_tied, other_tied = known & (one == 0), known & (other == 0)
    found = (
        product == 1,
        product == -1,
        one_tied & ~other_tied,
        other_tied & ~one_tied,
        one_tied & other_tied,
    )
    return tuple(part.sum(axis=-1) for part in found)
