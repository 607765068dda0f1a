"""Krippendorff's alpha: his own example at four levels, hand-worked tables, invariances, no variation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import InvalidInput
from labeling.rules.alpha import LEVELS, NO_VARIATION, NOTHING_SHARED, krippendorff_alpha
from labeling.rules.ranking_columns import Floats, Ints

GAP = np.nan
# Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability", example C: four observers, twelve units.
FOUR_BY_TWELVE = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
        [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP],
    ]
)


def flat(table: Floats) -> tuple[Ints, Floats]:
    units = np.broadcast_to(np.arange(table.shape[1]), table.shape).ravel()
    return units.astype(np.int64), table.ravel()


@pytest.mark.parametrize(
    ("level", "expected"), [("nominal", 0.7434), ("ordinal", 0.8154), ("interval", 0.8491), ("ratio", 0.7974)]
)
def test_krippendorffs_example_to_four_digits(level: str, expected: float) -> None:
    result = krippendorff_alpha(*flat(FOUR_BY_TWELVE), level=level)
    assert result.value == pytest.approx(expected, abs=5e-5)
    assert (result.units, result.values) == (11, 40)
    assert result.low is not None
    assert result.high is not None
    assert result.low < expected < result.high + 1e-9


def test_two_raters_and_two_values_by_hand() -> None:
    # Units 11, 12, 22: coincidences 2 of 11, 1 and 1 of 12, 2 of 22; totals 3 and 3.
    # Observed 2/6; expected 2*3*3/(6*5) = 0.6; alpha = 1 - (1/3)/0.6.
    table = np.array([[1, 1, 2], [1, 2, 2.0]])
    assert krippendorff_alpha(*flat(table), level="nominal").value == pytest.approx(1 - (1 / 3) / 0.6)


def test_one_value_everywhere_is_undefined_not_perfect() -> None:
    result = krippendorff_alpha(*flat(np.full((3, 5), 4.0)), level="ordinal")
    assert (result.value, result.low, result.undefined) == (None, None, NO_VARIATION)


def test_nothing_rated_twice_is_undefined() -> None:
    table = np.array([[1, GAP, 3], [GAP, 2, GAP]])
    assert krippendorff_alpha(*flat(table), level="nominal").undefined == NOTHING_SHARED
    empty = krippendorff_alpha(np.zeros(0, dtype=np.int64), np.zeros(0), level="nominal")
    assert empty.undefined == NOTHING_SHARED


def test_unknown_level_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not one of nominal"):
        krippendorff_alpha(*flat(FOUR_BY_TWELVE), level="cardinal")


def test_the_interval_is_drawn_over_tasks_not_ratings() -> None:
    generator = np.random.default_rng(3)
    # Within a task of ten units both raters are always alike or always apart.
    alike = np.repeat(generator.integers(2, size=40), 10)
    first = generator.integers(1, 8, size=400).astype(np.float64)
    second = np.where(alike == 1, first, generator.integers(1, 8, size=400))
    units, values = flat(np.stack([first, second]))
    narrow = krippendorff_alpha(units, values, level="nominal")
    wide = krippendorff_alpha(units, values, level="nominal", cluster=units // 10)
    assert narrow.value == wide.value
    assert narrow.low is not None
    assert narrow.high is not None
    assert wide.low is not None
    assert wide.high is not None
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    assert (narrow.clusters, wide.clusters) == (400, 40)


tables = st.lists(
    st.lists(st.sampled_from([1.0, 2.0, 3.0, GAP]), min_size=3, max_size=3), min_size=2, max_size=8
).map(np.array)


@given(table=tables, level=st.sampled_from(LEVELS), seed=st.integers(0, 99))
def test_neither_order_nor_names_of_raters_units_and_doubled_material_matter(
    table: Floats, level: str, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    expected = krippendorff_alpha(*flat(table), level=level, resampled=False)
    shuffled = table[generator.permutation(len(table))][:, generator.permutation(3)]
    again = krippendorff_alpha(*flat(shuffled), level=level, resampled=False)
    assert again.undefined == expected.undefined
    if expected.value is not None:
        assert again.value == pytest.approx(expected.value)
        assert expected.value <= 1


@given(table=tables, seed=st.integers(0, 99))
def test_renaming_categories_leaves_the_nominal_alpha(table: Floats, seed: int) -> None:
    names = np.random.default_rng(seed).permutation([1.0, 2.0, 3.0])
    renamed = np.where(np.isnan(table), GAP, names[np.nan_to_num(table, nan=1).astype(int) - 1])
    plain = krippendorff_alpha(*flat(table), level="nominal", resampled=False)
    other = krippendorff_alpha(*flat(renamed), level="nominal", resampled=False)
    assert (plain.value is None) == (other.value is None)
    if plain.value is not None:
        assert other.value == pytest.approx(plain.value)
