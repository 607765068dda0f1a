"""Rankings as columns of numbers, so that a hundred thousand of them are compared in seconds.

Everything that measures labelers reads rankings from here: flat columns first, then stacks of tasks that have
the same number of labelers and responses, over which numpy works without a loop.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Ranked(NamedTuple):
    """One labeler's ranks over the responses of a task; 1 is best, equal ranks are ties."""

    task: Hashable
    labeler: Hashable
    ranks: Mapping[Hashable, int]


@dataclass(frozen=True)
class Columns:
    """Rankings, one entry each (N,), and their places, one entry each (P,).

    tasks, labelers, responses   the names behind the numbers below
    task, labeler  (N,)          of each ranking, as indices; at most one ranking for a task and labeler
    ranking        (P,)          whose place it is, an index into the rankings
    response       (P,)          an index into the responses
    rank           (P,) float    1 is best, equal ranks tie
    """

    tasks: list[Hashable]
    labelers: list[Hashable]
    responses: list[Hashable]
    task: Ints
    labeler: Ints
    ranking: Ints
    response: Ints
    rank: Floats

    def __len__(self) -> int:
        return len(self.task)

    def stacks(self, *, least_labelers: int = 1) -> Iterator["Stack"]:
        """Yield the tasks by shape, those with at least so many labelers and two responses."""
        if not len(self.ranking):
            return
        n_tasks = len(self.tasks)
        # Each labeler's and each response's number within its task, and the task's shape.
        seat, labelers_of = _numbered_within(self.task, np.arange(len(self.task)), n_tasks)
        place_task = self.task[self.ranking]
        slot, responses_of = _numbered_within(place_task, self.response, n_tasks)
        shapes = np.stack([labelers_of, responses_of], axis=1)
        wanted = (labelers_of >= least_labelers) & (responses_of >= 2)
        for m, k in np.unique(shapes[wanted], axis=0).tolist():
            chosen = np.flatnonzero(wanted & (labelers_of == m) & (responses_of == k))
            row_of = np.full(n_tasks, -1, dtype=np.int64)
            row_of[chosen] = np.arange(len(chosen))
            places = np.flatnonzero(row_of[place_task] >= 0)
            rankings = np.flatnonzero(row_of[self.task] >= 0)
            ranking = np.zeros((len(chosen), m), dtype=np.int64)
            ranking[row_of[self.task[rankings]], seat[rankings]] = rankings
            response = np.zeros((len(chosen), k), dtype=np.int64)
            cells = (row_of[place_task[places]], seat[self.ranking[places]], slot[places])
            response[cells[0], cells[2]] = self.response[places]
            yield Stack(chosen, ranking, response, places, cells, self.rank)


@dataclass(frozen=True)
class Stack:
    """T tasks that m labelers ranked over k responses.

    task (T,), ranking (T, m) and response (T, k) are indices into the columns; `places` are the places of
    these tasks and `cells` says where each stands in (T, m, k).
    """

    task: Ints
    ranking: Ints
    response: Ints
    places: Ints
    cells: tuple[Ints, Ints, Ints]
    rank: Floats

    @property
    def shape(self) -> tuple[int, int, int]:
        """T, m and k."""
        return (*self.ranking.shape, self.response.shape[1])

    def fill(self, column: Floats) -> Floats:
        """Lay a column of places out as (T, m, k), NaN where a labeler did not place a response."""
        filled = np.full(self.shape, np.nan)
        filled[self.cells] = column[self.places]
        return filled

    def ranks(self) -> Floats:
        """Ranks as (T, m, k); NaN where not placed."""
        return self.fill(self.rank)


def signs_of(ranks: Floats) -> Floats:
    """Turn ranks (…, k) into preferences (…, k (k - 1) / 2) over pairs a < b.

    1 where a is better, -1 where b is, 0 for a tie, NaN where one was not placed.
    """
    left, right = np.triu_indices(ranks.shape[-1], k=1)
    signs: Floats = np.sign(ranks[..., right] - ranks[..., left])
    return signs


def columns_of(rankings: Iterable[Ranked]) -> Columns:
    """Turn rankings into columns. Of two by the same labeler on the same task the later one counts."""
    newest = {(ranked.task, ranked.labeler): ranked.ranks for ranked in rankings}
    tasks, labelers, responses = _Numbering(), _Numbering(), _Numbering()
    heads = [(tasks.of(task), labelers.of(labeler)) for task, labeler in newest]
    places = [
        (number, responses.of(response), rank)
        for number, ranks in enumerate(newest.values())
        for response, rank in ranks.items()
    ]
    head = np.array(heads, dtype=np.int64).reshape(-1, 2)
    place = np.array(places, dtype=np.int64).reshape(-1, 3)
    return Columns(
        tasks=tasks.names,
        labelers=labelers.names,
        responses=responses.names,
        task=head[:, 0],
        labeler=head[:, 1],
        ranking=place[:, 0],
        response=place[:, 1],
        rank=place[:, 2].astype(np.float64),
    )


class _Numbering:
    """Gives each name a number in the order in which they come."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}

    def of(self, name: Hashable) -> int:
        return self._numbers.setdefault(name, len(self._numbers))

    @property
    def names(self) -> list[Hashable]:
        return list(self._numbers)


def totals(group: Ints, amounts: Floats, groups: int) -> Floats:
    """Add amounts up by group."""
    return np.bincount(group, weights=amounts, minlength=groups).astype(np.float64)


def _numbered_within(group: Ints, item: Ints, groups: int) -> tuple[Ints, Ints]:
    """Number the distinct items of each group from 0; return each entry's number, and each group's count."""
    order = np.lexsort((item, group))
    sorted_group, sorted_item = group[order], item[order]
    fresh_group = np.r_[True, sorted_group[1:] != sorted_group[:-1]]
    fresh_item = fresh_group | np.r_[True, sorted_item[1:] != sorted_item[:-1]]
    running = np.cumsum(fresh_item) - 1
    first = np.flatnonzero(fresh_group)
    starts = np.repeat(running[first], np.diff(np.r_[first, len(order)]))
    numbers = np.empty(len(order), dtype=np.int64)
    numbers[order] = running - starts
    return numbers, np.bincount(sorted_group[fresh_item], minlength=groups)
