"""What the page of all policies draws: panels like the paper's figures 1, 3 and 4, and the mean ratings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from labeling.models import LIKERT_MAX, LIKERT_MIN, Cohort, Policy
from training.rules.evaluation_figures import ALL, DISTRIBUTIONS, PolicyFigures
from training.rules.evaluations import WinRate
from training.rules.ratings import Share

HIGHEST_SHARES = (0.1, 0.25, 0.5, 1.0)
"""Where the axis of shares may end, so that rare things can be told apart."""


@dataclass(frozen=True)
class Mark:
    """One row of a chart: a value with its interval, none where nothing was measured."""

    name: str
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Scale:
    """The axis of a chart, from its first tick to its last; `even` is the tick that means no difference."""

    ticks: tuple[float, ...]
    even: float | None = None
    is_bars: bool = False
    is_share: bool = True

    def text(self, value: float, *, is_tick: bool = False) -> str:
        """Write a value as people read it."""
        if self.is_share:
            return f"{100 * value:g} %" if is_tick else f"{100 * value:.1f} %"
        return f"{value:g}" if is_tick else f"{value:.2f}"


@dataclass(frozen=True)
class Panel:
    """One chart with its title."""

    title: str
    marks: Sequence[Mark]
    scale: Scale


WIN_RATES = Scale((0.0, 0.25, 0.5, 0.75, 1.0), even=0.5)
RATINGS = Scale(tuple(float(step) for step in range(LIKERT_MIN, LIKERT_MAX + 1)), is_share=False)


def win_rate_panel(figures: Sequence[PolicyFigures], baseline: Policy) -> Panel:
    """Return the paper's figure 1: each policy's win rate over all labelers and prompts."""
    compared = [row for row in figures if row.policy != baseline]
    return Panel(
        "All labelers, all prompts", [_mark(row.policy, row.rates[ALL]) for row in compared], WIN_RATES
    )


def crossed_panels(figures: Sequence[PolicyFigures], baseline: Policy) -> Iterator[Panel]:
    """Give the paper's figure 3: the same for each cohort of labelers and each origin of prompts."""
    compared = [row for row in figures if row.policy != baseline]
    for cohort in Cohort:
        for origin, title in DISTRIBUTIONS.items():
            key = (cohort.value, origin)
            if any(key in row.by_both for row in compared):
                marks = [_mark(row.policy, row.by_both.get(key)) for row in compared]
                yield Panel(f"{cohort.label}; {title.lower()}", marks, WIN_RATES)


def rating_panel(figures: Sequence[PolicyFigures]) -> Panel:
    """Return the mean ratings."""
    return Panel("Mean rating", [_mark(row.policy, row.likert) for row in figures], RATINGS)


def flag_panel(title: str, shares: Mapping[Policy, Share | None]) -> Panel:
    """Return one panel of the paper's figure 4: how often labelers said so of each policy."""
    marks = [_mark(policy, share) for policy, share in shares.items()]
    most = max((mark.high or mark.value or 0.0 for mark in marks), default=0.0)
    end = next(share for share in HIGHEST_SHARES if most <= share)
    return Panel(title, marks, Scale((0.0, end / 2, end), is_bars=True))


def _mark(policy: Policy, found: WinRate | Share | None) -> Mark:
    if found is None:
        return Mark(policy.name, None, None, None)
    return Mark(policy.name, found.value, found.low, found.high)
