"""What the charts of all policies show."""

import re

from labeling.models import Policy
from training.rules.evaluation_figures import PolicyFigures
from training.rules.evaluation_panels import (
    RATINGS,
    WIN_RATES,
    Mark,
    crossed_panels,
    flag_panel,
    rating_panel,
    win_rate_panel,
)
from training.rules.evaluations import WinRate
from training.rules.ratings import Share
from training.templatetags.interval_charts import interval_chart

BASE, PPO = Policy(pk=1, name="base"), Policy(pk=2, name="<ppo>")
WON = WinRate(0.75, 0.6, 0.9, wins=3, losses=1, ties=0, prompts=4)
NONE = Share(None, None, None, 0, 0)
RATED = Share(5.5, 5.0, 6.0, 8, 4)


def figures(policy: Policy, rate: WinRate) -> PolicyFigures:
    """Figures of a policy that only training labelers judged, on prompts to instructed models."""
    both = {("train", "instruct"): rate} if rate.value is not None else {}
    return PolicyFigures(policy, {"all": rate}, {}, both, RATED, {})


FOUND = [figures(BASE, WinRate(None, None, None, 0, 0, 0, prompts=0)), figures(PPO, WON)]


def test_win_rates_leave_the_baseline_out() -> None:
    assert win_rate_panel(FOUND, BASE).marks == [Mark("<ppo>", 0.75, 0.6, 0.9)]


def test_a_panel_stands_for_each_cohort_and_origin_that_was_judged() -> None:
    panels = list(crossed_panels(FOUND, BASE))
    assert len(panels) == 1
    assert "instructed" in panels[0].title
    assert [mark.value for mark in panels[0].marks] == [0.75]


def test_ratings_hold_every_policy() -> None:
    assert [mark.name for mark in rating_panel(FOUND).marks] == ["base", "<ppo>"]


def test_the_axis_of_a_flag_ends_where_its_values_do() -> None:
    rare = flag_panel("Hallucination", {BASE: Share(0.02, 0.0, 0.08, 50, 50), PPO: NONE})
    assert rare.scale.ticks == (0.0, 0.05, 0.1)
    assert flag_panel("Hallucination", {BASE: Share(0.9, 0.8, 0.95, 9, 9)}).scale.ticks[-1] == 1.0
    assert flag_panel("Hallucination", {PPO: None}).marks == [Mark("<ppo>", None, None, None)]


def test_a_chart_puts_values_and_intervals_where_they_belong() -> None:
    drawn = interval_chart([Mark("ppo", 0.75, 0.6, 0.9)], "Win rates", WIN_RATES)
    assert 'cx="75.00%"' in drawn
    assert 'x1="60.00%" x2="90.00%"' in drawn
    assert re.search(r'class="even" x1="50.00%"', drawn)
    assert 'aria-label="Win rates"' in drawn
    assert 'cx="75.00%"' in interval_chart([Mark("ppo", 5.5, None, None)], "Ratings", RATINGS)


def test_a_chart_shows_hostile_names_as_text_and_says_where_nothing_is() -> None:
    drawn = interval_chart([Mark("<script>", None, None, None)], "x", WIN_RATES)
    assert "<script>" not in drawn
    assert "none</text>" in drawn
    assert "circle" not in drawn
