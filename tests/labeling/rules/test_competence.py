"""One-coin Dawid-Skene: finds who is reliable, says nothing about who shares nothing, drops nobody."""

import numpy as np
import pytest

from labeling.rules.competence import competences
from labeling.rules.ranking_columns import Ranked, columns_of


def simulated(chances: dict[str, float], tasks: int = 200, seed: int = 4) -> list[Ranked]:
    """Return pairs that each labeler orders rightly with their own chance; response 0 is always better."""
    generator = np.random.default_rng(seed)
    return [
        Ranked(
            task,
            name,
            {(task, 0): 1, (task, 1): 2} if generator.random() < chance else {(task, 0): 2, (task, 1): 1},
        )
        for task in range(tasks)
        for name, chance in chances.items()
    ]


def test_competence_is_found_again_from_preferences_alone() -> None:
    chances = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.55}
    columns = columns_of(simulated(chances, tasks=1000))
    found, pairs = competences(columns)
    by_name = dict(zip(columns.labelers, found.tolist(), strict=True))
    for name, chance in chances.items():
        assert by_name[name] == pytest.approx(chance, abs=0.05)
    assert pairs.tolist() == [1000] * 4


def test_who_answers_at_random_against_the_others_stands_out() -> None:
    columns = columns_of(simulated({"a": 0.85, "b": 0.85, "c": 0.85, "contrary": 0.2}))
    found, _ = competences(columns)
    assert found[columns.labelers.index("contrary")] < 0.4 < min(found[:3])


def test_ties_and_lone_work_say_nothing() -> None:
    tied = [
        Ranked(1, "x", {"a": 1, "b": 1}),
        Ranked(1, "y", {"a": 1, "b": 2}),
        Ranked(2, "z", {"c": 1, "d": 2}),
    ]
    found, pairs = competences(columns_of(tied))
    assert np.isnan(found).all()
    assert pairs.tolist() == [0, 0, 0]


def test_names_and_order_do_not_matter() -> None:
    rankings = simulated({"a": 0.9, "b": 0.7, "c": 0.6}, tasks=40)
    plain = columns_of(rankings)
    other = columns_of(rankings[::-1])
    expected = dict(zip(plain.labelers, competences(plain)[0].tolist(), strict=True))
    again = dict(zip(other.labelers, competences(other)[0].tolist(), strict=True))
    assert again == {name: pytest.approx(value, abs=1e-4) for name, value in expected.items()}
