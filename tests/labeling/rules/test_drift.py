"""Rolling rates and drift on anchors: by hand, and where a simulated labeler changes their mind."""

import numpy as np
import pytest

from labeling.rules.drift import change_between, rolling_rate
from labeling.rules.drift_report import watched_wins
from labeling.rules.labeler_ratios import share_of
from labeling.rules.ranking_columns import Ranked, columns_of


def test_each_window_is_the_share_of_its_tasks() -> None:
    generator = np.random.default_rng(9)
    below = generator.integers(1, 6, size=40).astype(np.float64)
    above = np.floor(below * generator.random(40))
    for window in rolling_rate(above, below, window=15):
        rows = slice(window.start, window.end + 1)
        share = share_of(above[rows], below[rows])
        assert window.end - window.start == 14
        assert window.value == pytest.approx(share.value)
        assert window.low == pytest.approx(share.low)
        assert window.high == pytest.approx(share.high)


def test_fewer_tasks_than_a_window_draw_nothing_and_many_are_thinned() -> None:
    assert rolling_rate(np.ones(49), np.ones(49), window=50) == []
    assert len(rolling_rate(np.ones(50), np.ones(50), window=50)) == 1
    points = rolling_rate(np.ones(5000), np.ones(5000), window=50)
    assert len(points) == 60
    assert (points[0].end, points[-1].end) == (49, 4999)


def test_a_change_is_clear_only_when_its_interval_leaves_zero_out() -> None:
    generator = np.random.default_rng(2)
    before = share_of((generator.random(200) < 0.75).astype(np.float64), np.ones(200))
    after = share_of((generator.random(200) < 0.5).astype(np.float64), np.ones(200))
    change = change_between(before, after)
    assert change is not None
    assert change.difference == pytest.approx(-0.25, abs=0.1)
    assert change.is_clear
    same = change_between(before, before)
    assert same is not None
    assert not same.is_clear
    assert change_between(before, share_of(np.ones(1), np.ones(1))) is None


def test_the_watched_response_wins_loses_and_ties() -> None:
    columns = columns_of(
        [
            Ranked(1, "x", {"sft": 1, "ref": 2}),
            Ranked(1, "y", {"sft": 2, "ref": 1}),
            Ranked(1, "z", {"sft": 1, "ref": 1}),
            Ranked(2, "x", {"a": 1, "b": 2}),
        ]
    )
    watched = columns.response == columns.responses.index("sft")
    wins, compared = watched_wins(columns, watched)
    assert wins.tolist() == [1, 0, 0.5, 0]
    assert compared.tolist() == [1, 1, 1, 0]
