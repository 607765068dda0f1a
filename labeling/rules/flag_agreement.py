"""Agreement on yes-or-no flags: how common, how often a yes is met by a yes, and Gwet's AC1.

Where nearly every answer is no, kappa and alpha fall towards zero although people agree; AC1 does not.
"""

from dataclasses import dataclass

import numpy as np

from labeling.rules.alpha import Alpha, krippendorff_alpha
from labeling.rules.ranking_columns import Floats, Ints, totals
from labeling.rules.resampling import percentile_interval, ratio, resample_sums

Interval = tuple[float, float]


@dataclass(frozen=True)
class FlagAgreement:
    """What labelers said to one flag, about the same responses.

    asked                 answers, yes or no
    prevalence            share of yes among all answers
    units                 responses with at least two answers
    agreement             share of pairs of answers that are the same; None without units
    positive              of pairs of answers with a yes, weighted by yeses, how many are both yes; None
                          where nobody said yes to a response that two answered
    ac1                   Gwet's AC1: 1 is perfect, 0 is chance
    *_interval            95 %, bootstrap over tasks
    alpha                 Krippendorff's alpha, nominal
    """

    asked: int
    prevalence: float | None
    units: int
    agreement: float | None
    positive: float | None
    positive_interval: Interval | None
    ac1: float | None
    ac1_interval: Interval | None
    alpha: Alpha


def flag_agreement(unit: Ints, answer: Floats, *, cluster: Ints) -> FlagAgreement:
    """Compare the answers (1 yes, 0 no, NaN not asked) that each unit (a response of a task) was given."""
    known = ~np.isnan(answer)
    unit, answer, cluster = unit[known], answer[known], cluster[known]
    alpha = krippendorff_alpha(unit, answer, level="nominal", cluster=cluster)
    if not len(unit):
        return FlagAgreement(0, None, 0, None, None, None, None, None, alpha)
    units, unit_at = np.unique(unit, return_inverse=True)
    asked = np.bincount(unit_at).astype(np.float64)
    yes = totals(unit_at, answer, len(units))
    cluster_of = np.zeros(len(units), dtype=np.int64)
    cluster_of[unit_at] = cluster
    _, cluster_at = np.unique(cluster_of, return_inverse=True)
    sums = _sums_by_cluster(yes, asked, cluster_at)
    total = sums.sum(axis=0)
    drawn = resample_sums(sums) if len(sums) > 1 else np.zeros((0, sums.shape[1]))
    return FlagAgreement(
        asked=len(answer),
        prevalence=float(answer.mean()),
        units=int(total[0]),
        agreement=_number(ratio(total[1:2], total[0:1])),
        positive=_number(_positive(total[None])),
        positive_interval=percentile_interval(_positive(drawn)),
        ac1=_number(_ac1(total[None])),
        ac1_interval=percentile_interval(_ac1(drawn)),
        alpha=alpha,
    )


def _sums_by_cluster(yes: Floats, asked: Floats, cluster: Ints) -> Floats:
    """Return for each cluster: units with two answers, their agreement, yes pairs, yes chances, and for all
    units the share of yes and their number."""
    no = asked - yes
    paired = asked >= 2
    pairs = np.where(paired, asked * (asked - 1), 1.0)
    same = np.where(paired, (yes * (yes - 1) + no * (no - 1)) / pairs, 0.0)
    both = np.where(paired, yes * (yes - 1) / np.where(paired, asked - 1, 1.0), 0.0)
    chances = np.where(paired, yes, 0.0)
    columns = (paired.astype(np.float64), same, both, chances, yes / asked, np.ones_like(asked))
    return np.stack([np.bincount(cluster, weights=column) for column in columns], axis=1)


def _positive(sums: Floats) -> Floats:
    """Positive-specific agreement (Spitzer and Fleiss 1974), a unit of n answers weighing n - 1 to a yes."""
    return ratio(sums[:, 2], sums[:, 3])


def _ac1(sums: Floats) -> Floats:
    """Gwet 2008: (agreement - chance) / (1 - chance), chance = 2 p (1 - p) with p the mean share of yes."""
    observed = ratio(sums[:, 1], sums[:, 0])
    share = ratio(sums[:, 4], sums[:, 5])
    chance = 2 * share * (1 - share)
    return ratio(observed - chance, 1 - chance)


def _number(value: Floats) -> float | None:
    return float(value[0]) if np.isfinite(value[0]) else None
