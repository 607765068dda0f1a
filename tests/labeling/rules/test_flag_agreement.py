"""Flags: prevalence, positive-specific agreement and Gwet's AC1, by hand and where alpha collapses."""

import numpy as np
import pytest

from labeling.rules.flag_agreement import flag_agreement
from labeling.rules.ranking_columns import Ints


def units(raters: int, count: int) -> Ints:
    return np.tile(np.arange(count), raters).astype(np.int64)


def test_two_raters_by_hand() -> None:
    # Ten responses: both yes on 1, one yes on 2, both no on 7.
    first = np.array([1, 1, 0, 0, 0, 0, 0, 0, 0, 0.0])
    second = np.array([1, 0, 1, 0, 0, 0, 0, 0, 0, 0.0])
    unit = units(2, 10)
    result = flag_agreement(unit, np.concatenate([first, second]), cluster=unit)
    share = 4 / 20
    chance = 2 * share * (1 - share)
    assert (result.asked, result.units) == (20, 10)
    assert result.prevalence == pytest.approx(share)
    assert result.agreement == pytest.approx(0.8)
    assert result.positive == pytest.approx(2 * 1 / (2 * 1 + 2))
    assert result.ac1 == pytest.approx((0.8 - chance) / (1 - chance))
    assert result.ac1_interval is not None


def test_three_raters_by_hand() -> None:
    # One response with two yes of three, one with none: pairs alike 1/3 and 1.
    answers = np.array([1, 0, 1, 0, 0, 0.0])
    result = flag_agreement(units(3, 2), answers, cluster=units(3, 2))
    share = (2 / 3 + 0) / 2
    chance = 2 * share * (1 - share)
    assert result.agreement == pytest.approx((1 / 3 + 1) / 2)
    assert result.positive == pytest.approx(2 * 1 / 2 / 2)
    assert result.ac1 == pytest.approx((2 / 3 - chance) / (1 - chance))


def test_a_rare_flag_keeps_its_ac1_where_alpha_collapses() -> None:
    first, second = np.zeros(200), np.zeros(200)
    first[0] = second[1] = 1
    unit = units(2, 200)
    result = flag_agreement(unit, np.concatenate([first, second]), cluster=unit)
    assert result.agreement == pytest.approx(0.99)
    assert result.alpha.value is not None
    assert result.alpha.value < 0.01
    assert result.ac1 == pytest.approx(0.99, abs=0.001)
    assert result.positive == 0


def test_never_ticked_is_no_variation_and_has_no_positive_agreement() -> None:
    unit = units(2, 30)
    result = flag_agreement(unit, np.zeros(60), cluster=unit)
    assert (result.prevalence, result.positive, result.ac1) == (0, None, 1)
    assert result.alpha.undefined == "no variation"


def test_not_asked_is_not_no() -> None:
    unit = units(2, 3)
    answers = np.array([1, np.nan, 0, 1, 1, np.nan])
    result = flag_agreement(unit, answers, cluster=unit)
    assert (result.asked, result.units, result.agreement) == (4, 1, 1)


def test_nothing_asked_gives_nothing() -> None:
    result = flag_agreement(units(1, 2), np.full(2, np.nan), cluster=units(1, 2))
    assert (result.asked, result.prevalence, result.ac1, result.positive) == (0, None, None, None)


def test_neither_order_nor_names_matter() -> None:
    generator = np.random.default_rng(2)
    unit = np.repeat(np.arange(40), 3)
    answer = (generator.random(120) < 0.3).astype(np.float64)
    order = generator.permutation(120)
    plain = flag_agreement(unit, answer, cluster=unit // 4)
    other = flag_agreement(1000 - unit[order], answer[order], cluster=(unit // 4)[order])
    assert other.ac1 == pytest.approx(plain.ac1)
    assert other.positive == pytest.approx(plain.positive)
    assert other.alpha.value == pytest.approx(plain.alpha.value)
