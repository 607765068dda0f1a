"""Pairwise agreement: worked by hand, and as simulated."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeling.errors import InvalidInput
from labeling.models import Labeler, TaskKind
from labeling.rules.agreement import (
    TIE_MODES,
    Agreement,
    agreement_in_every_mode,
    agreement_of,
    batch_agreement,
    pairwise_agreement,
)
from labeling.rules.comparisons import Judgement, record_ranking
from labeling.rules.meetings import meetings_of
from labeling.rules.ranking_columns import Ranked, columns_of
from tests.factories import qualified_labeler, ranked_batch

# Two labelers, three responses: a>b agreed, a>c agreed by one and tied by the other, b>c against c>b.
MIXED = [Ranked("t", "x", {"a": 1, "b": 2, "c": 3}), Ranked("t", "y", {"a": 1, "b": 2, "c": 1})]


@pytest.mark.parametrize(
    ("mode", "value", "pairs"), [("strict", 1 / 2, 2), ("half", 1.5 / 3, 3), ("three_way", 1 / 3, 3)]
)
def test_tie_modes_by_hand(mode: str, value: float, pairs: int) -> None:
    result = pairwise_agreement(MIXED, mode)
    assert result.value == pytest.approx(value)
    assert (result.pairs, result.tasks) == (pairs, 1)
    assert result.tie_fraction == pytest.approx(1 / 6)
    assert result.standard_error is None


def test_both_ties_agree_in_half_and_three_way_mode() -> None:
    tied = [Ranked("t", "x", {"a": 1, "b": 1}), Ranked("t", "y", {"a": 2, "b": 2})]
    assert pairwise_agreement(tied, "strict").value is None
    assert pairwise_agreement(tied, "half").value == 1.0
    assert pairwise_agreement(tied, "three_way").value == 1.0


def test_only_what_both_have_placed_is_compared() -> None:
    partial = [Ranked("t", "x", {"a": 1, "b": 2}), Ranked("t", "y", {"b": 1, "c": 2})]
    assert pairwise_agreement(partial).pairs == 0
    alone = [Ranked("t", "x", {"a": 1, "b": 2}), Ranked("u", "y", {"a": 1, "b": 2})]
    assert pairwise_agreement(alone).value is None


def test_clustered_error_by_hand() -> None:
    # Task 1: 1 of 1 alike; task 2: 1 of 3 alike. p = 2/4; residuals 0.5 and -0.5.
    rankings = [
        Ranked(1, "x", {"a": 1, "b": 2}),
        Ranked(1, "y", {"a": 1, "b": 2}),
        Ranked(2, "x", {"a": 1, "b": 2, "c": 3}),
        Ranked(2, "y", {"a": 2, "b": 3, "c": 1}),
    ]
    result = pairwise_agreement(rankings)
    assert result.value == pytest.approx(0.5)
    assert result.macro == pytest.approx((1 + 1 / 3) / 2)
    assert result.standard_error == pytest.approx(math.sqrt(2 * (0.25 + 0.25)) / 4)
    assert result.low is not None
    assert result.low == pytest.approx(0.5 - 1.959963984540054 * 0.25)


def test_clustered_error_meets_the_simulated_spread() -> None:
    generator = np.random.default_rng(5)
    values, errors = [], []
    for _ in range(60):
        rankings = []
        for task in range(150):
            quality = generator.normal(size=6)
            for labeler in range(2):
                ranks = np.argsort(np.argsort(-(quality + generator.normal(size=6))))
                rankings.append(Ranked(task, labeler, dict(enumerate((ranks + 1).tolist()))))
        result = pairwise_agreement(rankings)
        assert result.value is not None
        assert result.standard_error is not None
        values.append(result.value)
        errors.append(result.standard_error)
    assert np.mean(errors) == pytest.approx(np.std(values, ddof=1), rel=0.3)
    binomial = math.sqrt(np.mean(values) * (1 - np.mean(values)) / (150 * 15))
    assert np.mean(errors) > 1.2 * binomial


def test_unknown_tie_mode_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not one of strict"):
        pairwise_agreement(MIXED, "kind")


def test_stored_rankings_are_compared_within_batch_and_cohort(alice: Labeler, hana: Labeler) -> None:
    batch = ranked_batch(tasks=2, k=3, kind=TaskKind.EVALUATION)
    other = qualified_labeler()
    for task in batch.tasks.all():
        codes = [candidate.response.code for candidate in task.candidates.all()]
        orders = ((alice, [1, 2, 3]), (other, [1, 2, 3]), (hana, [3, 2, 1]))
        for labeler, ranks in orders:
            judgements = [Judgement(code, rank) for code, rank in zip(codes, ranks, strict=True)]
            record_ranking(task=task, labeler=labeler, judgements=judgements)
    assert batch_agreement(batch).value == pytest.approx(1 / 3)
    assert batch_agreement(batch, "train").value == 1.0
    assert batch_agreement(ranked_batch()).value is None


def resampled(rankings: list[Ranked], tie_mode: str = "strict") -> Agreement:
    columns = columns_of(rankings)
    return agreement_of(meetings_of(columns), columns, tie_mode, resampled=True)


def simulated(tasks: int, labelers: int, spread: float = 0.0, seed: int = 8) -> list[Ranked]:
    """Return rankings of four responses by each labeler; `spread` makes some labelers noisier than others."""
    generator = np.random.default_rng(seed)
    noise = 1 + spread * generator.random(labelers) * 3
    found = []
    for task in range(tasks):
        quality = generator.normal(size=4)
        for labeler in range(labelers):
            ranks = np.argsort(np.argsort(-(quality + noise[labeler] * generator.normal(size=4))))
            found.append(Ranked(task, labeler, {(task, r): int(rank) for r, rank in enumerate(ranks + 1)}))
    return found


def test_the_bootstrap_over_tasks_confirms_the_clustered_interval() -> None:
    result = resampled(simulated(tasks=150, labelers=2))
    assert result.bootstrap is not None
    assert result.low is not None
    assert result.high is not None
    width = result.high - result.low
    assert result.bootstrap[0] == pytest.approx(result.low, abs=0.1 * width)
    assert result.bootstrap[1] == pytest.approx(result.high, abs=0.1 * width)


def test_few_labelers_widen_the_interval_as_they_are_a_sample_too() -> None:
    result = resampled(simulated(tasks=150, labelers=5, spread=1.0))
    assert result.labelers == 5
    assert result.crossed is not None
    assert result.bootstrap is not None
    assert result.crossed[1] - result.crossed[0] > 1.3 * (result.bootstrap[1] - result.bootstrap[0])
    assert resampled(simulated(tasks=30, labelers=15)).crossed is None


ranks = st.lists(st.integers(1, 3), min_size=3, max_size=3)
pools = st.lists(st.tuples(ranks, ranks, ranks), min_size=1, max_size=5)


def as_rankings(pool: list[tuple[list[int], ...]], task: str = "t", names: str = "xyz") -> list[Ranked]:
    return [
        Ranked((task, number), names[seat], {(number, place): rank for place, rank in enumerate(order)})
        for number, orders in enumerate(pool)
        for seat, order in enumerate(orders)
    ]


@given(pool=pools, mode=st.sampled_from(TIE_MODES), seed=st.integers(0, 99))
def test_neither_names_nor_order_of_labelers_responses_and_tasks_matter(
    pool: list[tuple[list[int], ...]], mode: str, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    expected = pairwise_agreement(as_rankings(pool), mode)
    order = generator.permutation(3).tolist()
    permuted = [tuple([orders[seat][place] for place in order] for seat in range(3)) for orders in pool]
    renamed = [permuted[number] for number in generator.permutation(len(pool)).tolist()]
    found = pairwise_agreement(as_rankings(renamed, names="qrs")[::-1], mode)
    assert found.pairs == expected.pairs
    assert found.value == pytest.approx(expected.value)
    assert found.macro == pytest.approx(expected.macro)
    assert found.standard_error == pytest.approx(expected.standard_error, abs=1e-12)


@given(pool=pools, mode=st.sampled_from(TIE_MODES))
def test_the_same_tasks_twice_change_the_error_alone(pool: list[tuple[list[int], ...]], mode: str) -> None:
    once = pairwise_agreement(as_rankings(pool), mode)
    twice = pairwise_agreement([*as_rankings(pool), *as_rankings(pool, task="again")], mode)
    assert twice.value == pytest.approx(once.value)
    assert twice.macro == pytest.approx(once.macro)
    assert twice.pairs == 2 * once.pairs
    if once.standard_error:
        assert twice.standard_error is not None
        assert twice.standard_error < once.standard_error


def test_all_ties_leave_the_strict_figure_undefined() -> None:
    tied = as_rankings([([1, 1, 1], [2, 2, 2], [1, 1, 1])])
    result = resampled(tied)
    assert (result.value, result.macro, result.pairs, result.bootstrap) == (None, None, 0, None)
    assert result.tie_fraction == 1.0
    assert result.is_thin


def test_every_pair_of_three_labelers_counts_and_a_large_task_weighs_by_its_pairs() -> None:
    # Three responses, x = y against z: one labeler pair of three agrees, on all 3 response pairs.
    three = as_rankings([([1, 2, 3], [1, 2, 3], [3, 2, 1])])
    result = pairwise_agreement(three)
    assert result.value == pytest.approx(1 / 3)
    assert (result.pairs, result.labelers) == (9, 3)
    two = [Ranked("u", "x", {"a": 1, "b": 2}), Ranked("u", "y", {"a": 1, "b": 2})]
    both = pairwise_agreement([*three, *two])
    assert both.value == pytest.approx((3 + 1) / (9 + 1))
    assert both.macro == pytest.approx((1 / 3 + 1) / 2)


def test_named_tasks_give_the_human_line_beside_a_reward_model(alice: Labeler) -> None:
    batch = ranked_batch(tasks=2, k=2)
    other = qualified_labeler()
    for task, orders in zip(batch.tasks.all(), (([1, 2], [1, 2]), ([1, 2], [2, 1])), strict=True):
        codes = [candidate.response.code for candidate in task.candidates.all()]
        for labeler, order in zip((alice, other), orders, strict=True):
            judgements = [Judgement(code, rank) for code, rank in zip(codes, order, strict=True)]
            record_ranking(task=task, labeler=labeler, judgements=judgements)
    first, second = (task.code for task in batch.tasks.all())
    assert batch_agreement(task_codes=[first]).value == 1.0
    assert batch_agreement(task_codes=[second]).value == 0.0
    every = agreement_in_every_mode(task_codes=[first, second])
    assert {mode: result.value for mode, result in every.items()} == dict.fromkeys(TIE_MODES, 0.5)


@pytest.mark.parametrize(
    ("alike", "low", "high"), [(True, 0.025 ** (1 / 20), 1.0), (False, 0.0, 1 - 0.025 ** (1 / 20))]
)
def test_twenty_tasks_of_one_mind_are_no_certainty(alike: bool, low: float, high: float) -> None:
    best_of_second = "x" if alike else "y"
    rankings = [
        Ranked(task, labeler, {"x": 1 if best == "x" else 2, "y": 1 if best == "y" else 2})
        for task in range(20)
        for labeler, best in (("a", "x"), ("b", best_of_second))
    ]
    found = pairwise_agreement(rankings)
    assert (found.value, found.standard_error) == (float(alike), 0.0)
    assert (found.low, found.high) == pytest.approx((low, high))
