"""How often labelers order a pair of responses alike, with honest intervals.

Definitions after Stiennon et al. 2020, App. C.2 (strict), Nakano et al. 2021 (half) and Zheng et al. 2023
(three-way). The pairs of a task move together, so the error is clustered on tasks: with six responses a
plain binomial one comes out a third too small.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labeling.errors import InvalidInput
from labeling.models import Batch, Place, Ranking

TIE_MODES = ("strict", "half", "three_way")
CHANCE = {"strict": 0.5, "half": 0.5, "three_way": 1 / 3}
Z_95 = 1.959963984540054


class Ranked(NamedTuple):
    """One labeler's ranks over the responses of a task; 1 is best, equal ranks are ties."""

    task: Hashable
    labeler: Hashable
    ranks: Mapping[Hashable, int]


@dataclass(frozen=True)
class Agreement:
    """Share of pairs ordered alike. `value` and what follows from it is None where nothing can be compared.

    value           0 to 1; every comparison of two labelers on a pair weighs the same
    macro           the mean over tasks, so that a task with nine responses weighs no more than one with two
    standard_error  clustered on tasks; None with fewer than two tasks
    low, high       95 % confidence interval, value ± 1.96 standard errors, cut to 0..1
    chance          what random orders would give; in three-way mode ties are taken as a third of answers
    pairs           comparisons counted: labeler pairs x response pairs, after the tie mode's exclusions
    tasks           tasks with at least one such comparison
    tie_fraction    ties among all pairs that a labeler of an overlapping task has placed
    """

    tie_mode: str
    value: float | None
    macro: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    chance: float
    pairs: int
    tasks: int
    tie_fraction: float | None


def pairwise_agreement(rankings: Iterable[Ranked], tie_mode: str = "strict") -> Agreement:
    """Compare every two labelers on every pair of responses that both have placed.

    strict     pairs that either labeler ties are left out; comparable with pairs a reward model learns from
    half       one tie counts a half, two ties as agreement
    three_way  better, worse and tied are three answers; only the same one agrees
    """
    if tie_mode not in TIE_MODES:
        raise InvalidInput(f'tie mode "{tie_mode}" is not one of {", ".join(TIE_MODES)}.')
    agreed: list[NDArray[np.float64]] = []
    counted: list[NDArray[np.float64]] = []
    ties = places = 0.0
    for stack in _stacks(rankings):
        signs = _signs(stack)  # (tasks, labelers, pairs); NaN where a response was not placed
        known = ~np.isnan(signs)
        ties += float(np.sum((signs == 0) & known))
        places += float(known.sum())
        first, second = np.triu_indices(stack.shape[1], k=1)
        agree, count = _compare(signs[:, first, :], signs[:, second, :], tie_mode)
        agreed.append(agree)
        counted.append(count)
    return _summary(
        np.concatenate(agreed) if agreed else np.zeros(0),
        np.concatenate(counted) if counted else np.zeros(0),
        tie_mode,
        ties / places if places else None,
    )


def batch_agreement(
    batch: Batch | None = None, cohort: str | None = None, tie_mode: str = "strict"
) -> Agreement:
    """Return agreement over a batch, or over all, among labelers of one cohort or any."""
    return pairwise_agreement(stored_rankings(batch=batch, cohort=cohort), tie_mode)


def stored_rankings(*, batch: Batch | None = None, cohort: str | None = None) -> list[Ranked]:
    """Return the newest revision of each ranking on tasks that more than one labeler has ranked."""
    rankings = Ranking.objects.newest()
    if batch is not None:
        rankings = rankings.filter(task__batch=batch)
    if cohort is not None:
        rankings = rankings.filter(labeler__cohort=cohort)
    heads = {pk: (task, labeler) for pk, task, labeler in rankings.values_list("pk", "task_id", "labeler_id")}
    labelers_of: dict[int, set[int]] = defaultdict(set)
    for task, labeler in heads.values():
        labelers_of[task].add(labeler)
    ranks: dict[int, dict[Hashable, int]] = defaultdict(dict)
    rows = (
        Place.objects.filter(ranking__in=rankings).order_by().values_list("ranking_id", "response_id", "rank")
    )
    for ranking, response, rank in rows.iterator(chunk_size=20_000):
        task, _ = heads.get(ranking, (0, 0))
        if len(labelers_of[task]) > 1:
            ranks[ranking][response] = rank
    return [Ranked(*heads[ranking], placed) for ranking, placed in ranks.items()]


def _stacks(rankings: Iterable[Ranked]) -> Iterable[NDArray[np.float64]]:
    """Yield ranks as (tasks, labelers, responses), tasks of one shape together; NaN where not placed."""
    tasks: dict[Hashable, dict[Hashable, Mapping[Hashable, int]]] = defaultdict(dict)
    for ranked in rankings:
        tasks[ranked.task][ranked.labeler] = ranked.ranks
    by_shape: dict[tuple[int, int], list[list[list[float]]]] = defaultdict(list)
    for labelers in tasks.values():
        if len(labelers) < 2:
            continue
        responses = list(dict.fromkeys(response for ranks in labelers.values() for response in ranks))
        matrix = [[ranks.get(response, np.nan) for response in responses] for ranks in labelers.values()]
        by_shape[len(labelers), len(responses)].append(matrix)
    for (_, k), matrices in by_shape.items():
        if k > 1:
            yield np.array(matrices, dtype=np.float64)


def _signs(stack: NDArray[np.float64]) -> NDArray[np.float64]:
    left, right = np.triu_indices(stack.shape[2], k=1)
    signs: NDArray[np.float64] = np.sign(stack[:, :, right] - stack[:, :, left])
    return signs


def _compare(
    one: NDArray[np.float64], other: NDArray[np.float64], tie_mode: str
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return, for each task, the agreements and the comparisons counted."""
    counts = ~np.isnan(one) & ~np.isnan(other)
    agree = (one == other).astype(np.float64)
    if tie_mode == "strict":
        counts &= (one != 0) & (other != 0)
    elif tie_mode == "half":
        agree[(one == 0) != (other == 0)] = 0.5
    return np.where(counts, agree, 0.0).sum(axis=(1, 2)), counts.sum(axis=(1, 2)).astype(np.float64)


def _summary(
    agreed: NDArray[np.float64], counted: NDArray[np.float64], tie_mode: str, tie_fraction: float | None
) -> Agreement:
    used = counted > 0
    agreed, counted = agreed[used], counted[used]
    tasks, pairs = len(counted), float(counted.sum())
    value = float(agreed.sum() / pairs) if pairs else None
    error = None
    if value is not None and tasks > 1:
        residuals = agreed - value * counted
        error = float(np.sqrt(tasks / (tasks - 1) * np.sum(residuals**2)) / pairs)
    return Agreement(
        tie_mode=tie_mode,
        value=value,
        macro=float(np.mean(agreed / counted)) if tasks else None,
        standard_error=error,
        low=None if value is None or error is None else max(0.0, value - Z_95 * error),
        high=None if value is None or error is None else min(1.0, value + Z_95 * error),
        chance=CHANCE[tie_mode],
        pairs=int(pairs),
        tasks=tasks,
        tie_fraction=tie_fraction,
    )
