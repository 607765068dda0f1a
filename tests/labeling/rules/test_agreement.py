"""Pairwise agreement: worked by hand, and as simulated."""

import math

import numpy as np
import pytest

from labeling.errors import InvalidInput
from labeling.models import Labeler, TaskKind
from labeling.rules.agreement import Ranked, batch_agreement, pairwise_agreement
from labeling.rules.comparisons import Judgement, record_ranking
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
