"""How often labelers order a pair of responses alike, with honest intervals.

Definitions after Stiennon et al. 2020, App. C.2 (strict), Nakano et al. 2021 (half) and Zheng et al. 2023
(three-way). The pairs of a task move together, so the error is clustered on tasks: with six responses a
plain binomial one comes out a third too small.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np

from labeling.errors import InvalidInput
from labeling.models import Batch
from labeling.rules.meetings import Meetings, meetings_of
from labeling.rules.ranking_columns import Columns, Floats, Ints, Ranked, columns_of, totals
from labeling.rules.resampling import percentile_interval, ratio, resample_crossed, resample_sums
from labeling.rules.stored_rankings import load_rankings, newest_rankings

TIE_MODES = ("strict", "half", "three_way")
CHANCE = {"strict": 0.5, "half": 0.5, "three_way": 1 / 3}
Z_95 = 1.959963984540054
FEW_TASKS = 10
"""With fewer tasks than this a page says that they are too few to tell."""
FEW_LABELERS = 15
"""With fewer labelers than this they are a small sample too, and are drawn as tasks are."""


@dataclass(frozen=True)
class Agreement:
    """Share of pairs ordered alike. `value` and what follows from it is None where nothing can be compared.

    value           0 to 1; every comparison of two labelers on a pair weighs the same (micro)
    macro           the mean over tasks, so that a task with nine responses weighs no more than one with two
    standard_error  clustered on tasks; None with fewer than two tasks
    low, high       95 % confidence interval, value ± 1.96 standard errors, cut to 0..1; see `unanimous_bound`
    chance          what random orders would give; in three-way mode ties are taken as a third of answers
    pairs           comparisons counted: labeler pairs x response pairs, after the tie mode's exclusions
    tasks           tasks with at least one such comparison
    tie_fraction    ties among the answers compared, two to each comparison of a pair
    labelers        people among those compared
    bootstrap       95 % interval from drawing tasks anew, a check of low and high; None unless asked for
    crossed         the same from drawing tasks and labelers; only with fewer than 15 labelers
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
    labelers: int = 0
    bootstrap: tuple[float, float] | None = None
    crossed: tuple[float, float] | None = None

    @property
    def is_thin(self) -> bool:
        """Whether there are too few tasks to say anything."""
        return self.tasks < FEW_TASKS


def pairwise_agreement(rankings: Iterable[Ranked], tie_mode: str = "strict") -> Agreement:
    """Compare every two labelers on every pair of responses that both have placed.

    strict     pairs that either labeler ties are left out; comparable with pairs a reward model learns from
    half       one tie counts a half, two ties as agreement
    three_way  better, worse and tied are three answers; only the same one agrees
    """
    columns = columns_of(rankings)
    return agreement_of(meetings_of(columns), columns, tie_mode)


def batch_agreement(
    batch: Batch | None = None,
    cohort: str | None = None,
    tie_mode: str = "strict",
    task_codes: Iterable[UUID] | None = None,
) -> Agreement:
    """Return agreement over a batch, over some tasks or over all, among labelers of one cohort or any.

    With `task_codes` this is the human line beside a reward model's accuracy on the same tasks.
    """
    mode = check_tie_mode(tie_mode)
    return agreement_in_every_mode(batch, cohort, task_codes=task_codes, modes=(mode,))[mode]


@dataclass(frozen=True)
class MetRankings:
    """What labelers who shared tasks made of them, read once for agreement over all tasks and over some."""

    columns: Columns
    meetings: Meetings

    def agreement(self, tasks: Iterable[int] | None = None, tie_mode: str = "strict") -> Agreement:
        """Return agreement over all tasks, or over those with these primary keys."""
        meetings = self.meetings
        if tasks is not None:
            wanted = set(tasks)
            is_wanted = np.array([key in wanted for key in self.columns.tasks], dtype=bool)
            meetings = meetings.where(is_wanted[meetings.task])
        return agreement_of(meetings, self.columns, tie_mode)


def met_rankings(batch: Batch) -> MetRankings:
    """Read the rankings of a batch's shared tasks."""
    found = load_rankings(newest_rankings(batch=batch), shared_only=True, with_facts=False)
    return MetRankings(found.columns, meetings_of(found.columns))


def agreement_in_every_mode(
    batch: Batch | None = None,
    cohort: str | None = None,
    *,
    task_codes: Iterable[UUID] | None = None,
    modes: Iterable[str] = TIE_MODES,
    resampled: bool = False,
) -> dict[str, Agreement]:
    """Return agreement by tie mode, from one reading of the rankings."""
    wanted = newest_rankings(batch=batch, cohort=cohort, task_codes=task_codes)
    columns = load_rankings(wanted, shared_only=True, with_facts=False).columns
    meetings = meetings_of(columns)
    return {mode: agreement_of(meetings, columns, mode, resampled=resampled) for mode in modes}


def agreement_of(
    meetings: Meetings, columns: Columns, tie_mode: str = "strict", *, resampled: bool = False
) -> Agreement:
    """Return agreement over the meetings of a slice; `resampled` adds the intervals of the bootstrap."""
    agreed, counted = meetings.scored(check_tie_mode(tie_mode))
    tasks, task_at = np.unique(meetings.task, return_inverse=True)
    by_task = (
        totals(task_at, agreed, len(tasks)),
        totals(task_at, counted, len(tasks)),
    )
    ties = int(np.sum(meetings.first_tied + meetings.second_tied + 2 * meetings.both_tied))
    answers = 2 * int(meetings.compared.sum())
    people = _people(meetings, columns)
    result = replace(
        _summary(*by_task, tie_mode, ties / answers if answers else None),
        labelers=len(np.unique(np.concatenate(people)[np.tile(counted > 0, 2)])),
    )
    if not resampled or result.value is None or result.tasks < 2:
        return result
    sums = resample_sums(np.stack(by_task, axis=1))
    result = replace(result, bootstrap=percentile_interval(ratio(sums[:, 0], sums[:, 1])))
    if result.labelers >= FEW_LABELERS:
        return result
    sums = resample_crossed(meetings.task, people, np.stack([agreed, counted], axis=1))
    return replace(result, crossed=percentile_interval(ratio(sums[:, 0], sums[:, 1])))


def check_tie_mode(tie_mode: str) -> str:
    """Return the tie mode. Raises InvalidInput where there is no such one."""
    if tie_mode not in TIE_MODES:
        raise InvalidInput(f'tie mode "{tie_mode}" is not one of {", ".join(TIE_MODES)}.')
    return tie_mode


def clustered_error(above: Floats, below: Floats) -> float | None:
    """Return the standard error of sum(above) / sum(below), one entry a task; None with fewer than two.

    sqrt(T / (T - 1) * sum (A_t - p N_t)^2) / sum N_t, the linearised error of a ratio of totals.
    """
    tasks, total = len(below), float(below.sum())
    if tasks < 2 or total == 0:
        return None
    residuals = above - float(above.sum()) / total * below
    return float(np.sqrt(tasks / (tasks - 1) * np.sum(residuals**2)) / total)


def unanimous_bound(tasks: int) -> float:
    """Return the least share of which so many tasks that all agree can still be a sample.

    The error over tasks is 0 where all went the same way, which would make twenty tasks certainty. Each task
    counts as one observation; with a true share below the bound, all of them agree less than once in forty
    times (Clopper and Pearson 1934).
    """
    return float(0.025 ** (1 / tasks))


def _people(meetings: Meetings, columns: Columns) -> tuple[Ints, Ints]:
    return columns.labeler[meetings.first], columns.labeler[meetings.second]


def _summary(agreed: Floats, counted: Floats, tie_mode: str, tie_fraction: float | None) -> Agreement:
    used = counted > 0
    agreed, counted = agreed[used], counted[used]
    tasks, pairs = len(counted), float(counted.sum())
    value = float(agreed.sum() / pairs) if pairs else None
    error = clustered_error(agreed, counted)
    low, high = _ends(value, error, tasks)
    return Agreement(
        tie_mode=tie_mode,
        value=value,
        macro=float(np.mean(agreed / counted)) if tasks else None,
        standard_error=error,
        low=low,
        high=high,
        chance=CHANCE[tie_mode],
        pairs=int(pairs),
        tasks=tasks,
        tie_fraction=tie_fraction,
    )


def _ends(value: float | None, error: float | None, tasks: int) -> tuple[float | None, float | None]:
    if value is None or error is None:
        return None, None
    if value in (0, 1):
        return (unanimous_bound(tasks), 1.0) if value else (0.0, 1 - unanimous_bound(tasks))
    return max(0.0, value - Z_95 * error), min(1.0, value + Z_95 * error)
