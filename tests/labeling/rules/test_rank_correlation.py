"""Kendall's tau-b and W: published vectors, scipy's tau, all ties, invariances."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau

from labeling.rules.meetings import meetings_of
from labeling.rules.rank_correlation import kendall_w, mean_kendall_w, mean_tau_b, tau_b
from labeling.rules.ranking_columns import Ranked, columns_of

# Ranks (1, 2.5, 2.5, 4), (1, 2, 3, 4), (2, 1, 3, 4) of three labelers.
THREE = [
    Ranked("t", "x", {"a": 1, "b": 2, "c": 2, "d": 4}),
    Ranked("t", "y", {"a": 1, "b": 2, "c": 3, "d": 4}),
    Ranked("t", "z", {"a": 2, "b": 1, "c": 3, "d": 4}),
]
orders = st.lists(st.integers(1, 4), min_size=4, max_size=4)


def test_tau_of_each_pair_to_four_digits() -> None:
    found = np.sort(tau_b(meetings_of(columns_of(THREE))))
    assert found == pytest.approx([0.5477, 0.6667, 0.9129], abs=5e-5)


def test_w_with_ties_to_four_digits() -> None:
    result = mean_kendall_w(columns_of(THREE))
    assert result.value == pytest.approx(0.8621, abs=5e-5)
    assert (result.tasks, result.standard_error) == (1, None)


def test_all_tied_has_no_tau_and_is_counted() -> None:
    columns = columns_of(
        [
            Ranked(1, "x", {"a": 1, "b": 1}),
            Ranked(1, "y", {"a": 1, "b": 2}),
            Ranked(2, "x", {"a": 1, "b": 2}),
            Ranked(2, "y", {"a": 1, "b": 2}),
        ]
    )
    result = mean_tau_b(meetings_of(columns))
    assert (result.value, result.tasks, result.undefined) == (1.0, 1, 1)


def test_w_is_undefined_only_where_everybody_tied_everything() -> None:
    assert np.isnan(kendall_w(np.ones((1, 3, 4)))[0])
    one_orders = np.array([[[1, 1, 1, 1], [1, 1, 1, 1], [1, 2, 3, 4.0]]])
    assert 0 < kendall_w(one_orders)[0] < 1


def test_w_is_one_in_unison_and_zero_where_orders_cancel() -> None:
    assert kendall_w(np.array([[[1, 2, 3], [1, 2, 3], [1, 2, 3.0]]]))[0] == pytest.approx(1)
    assert kendall_w(np.array([[[1, 2, 3], [2, 3, 1], [3, 1, 2.0]]]))[0] == pytest.approx(0)


def test_two_labelers_have_no_w() -> None:
    result = mean_kendall_w(columns_of(THREE[:2]))
    assert (result.value, result.tasks, result.undefined) == (None, 0, 0)


@given(first=orders, second=orders)
def test_tau_is_scipys(first: list[int], second: list[int]) -> None:
    columns = columns_of([Ranked(0, "x", dict(enumerate(first))), Ranked(0, "y", dict(enumerate(second)))])
    expected = kendalltau(first, second).statistic
    assert tau_b(meetings_of(columns))[0] == pytest.approx(expected, nan_ok=True)


@given(rankings=st.lists(orders, min_size=3, max_size=5), seed=st.integers(0, 99))
def test_w_knows_neither_labelers_nor_responses_by_name(rankings: list[list[int]], seed: int) -> None:
    generator = np.random.default_rng(seed)
    ranks = np.array([rankings], dtype=np.float64)
    shuffled = ranks[:, generator.permutation(len(rankings))][:, :, generator.permutation(4)]
    assert kendall_w(shuffled)[0] == pytest.approx(kendall_w(ranks)[0], nan_ok=True)
