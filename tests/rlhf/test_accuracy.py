"""Shares of pairs, with intervals that know their clusters."""

from typing import NamedTuple

import pytest
import torch

from training.rlhf.accuracy import PairCounts, accuracy_metrics, clustered_share


class From(NamedTuple):
    cluster: str
    group: str


def test_pairs_are_counted_by_group_and_equal_scores_count_half() -> None:
    counts = PairCounts()
    scores = torch.tensor([[3.0, 2.0, 2.0], [1.0, 5.0, 0.0]])
    ranks = torch.tensor([[1, 2, 3], [1, 2, 0]])
    slots = torch.tensor([[True, True, True], [True, True, False]])
    counts.add(scores, ranks, slots, [From("p", "train"), From("q", "held_out")])
    found = accuracy_metrics(counts)
    assert found["valid/pairs"] == 4
    assert found["valid/accuracy"] == pytest.approx(2.5 / 4)
    assert found["valid/accuracy.train"] == pytest.approx(2.5 / 3)
    assert found["valid/accuracy.held_out"] == 0.0
    assert counts.margin() == pytest.approx((1 + 1 + 0 - 4) / 4)


def test_interval_of_single_pairs_is_the_binomial_one() -> None:
    share, low, high = clustered_share([(1.0, 1)] * 60 + [(0.0, 1)] * 40)
    half = 1.96 * (0.6 * 0.4 / 99) ** 0.5
    assert [share, low, high] == pytest.approx([0.6, 0.6 - half, 0.6 + half])


def test_pairs_that_hang_together_widen_the_interval() -> None:
    _, low, high = clustered_share([(1.0, 1)] * 60 + [(0.0, 1)] * 40)
    _, wide_low, wide_high = clustered_share([(6.0, 6)] * 10 + [(0.0, 4)] * 10)
    assert wide_high - wide_low > high - low


def test_nothing_to_count_says_nothing() -> None:
    assert clustered_share([]) == (0.5, 0.0, 1.0)
    assert clustered_share([(2.0, 3)])[1:] == (0.0, 1.0)
