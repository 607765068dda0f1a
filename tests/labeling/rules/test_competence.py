"""One-coin Dawid-Skene: finds who is reliable, says nothing about who shares nothing, drops nobody."""

import numpy as np
import pytest

from labeling.rules.competence import competences, competences_by_place
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


def test_who_goes_by_the_place_on_the_screen_is_found_from_preferences_alone() -> None:
    """Three labelers with a coin for each place, shown the same pairs in orders of their own."""
    chances = {"even": (0.85, 0.85), "first": (0.95, 0.6), "last": (0.65, 0.9)}
    generator = np.random.default_rng(7)
    rankings, shown = [], []
    for task in range(3000):
        for name, coins in chances.items():
            better_is_later = int(generator.integers(2))
            is_right = generator.random() < coins[better_is_later]
            rankings.append(
                Ranked(task, name, {(task, 0): 1 if is_right else 2, (task, 1): 2 if is_right else 1})
            )
            shown += [float(better_is_later), float(1 - better_is_later)]
    columns = columns_of(rankings)
    if_first, if_later = competences_by_place(columns, np.array(shown))
    for n, labeler in enumerate(columns.labelers):
        assert (if_first[n], if_later[n]) == pytest.approx(chances[str(labeler)], abs=0.05)


def test_pairs_whose_order_on_the_screen_is_not_known_say_nothing_about_it() -> None:
    columns = columns_of(simulated({"a": 0.9, "b": 0.8}, tasks=50))
    if_first, if_later = competences_by_place(columns, np.full(len(columns.rank), np.nan))
    assert np.isnan([*if_first, *if_later]).all()


def test_one_pair_of_two_who_agree_gives_what_is_worked_out_by_hand() -> None:
    """Both say the first: its odds are (c0 / (1 - c1))^2, and c0 is then (4 + 2 q / 2) / (6 + 2 q / 2)."""
    columns = columns_of([Ranked(1, name, {"x": 1, "y": 2}) for name in ("a", "b")])
    if_first, if_later = competences_by_place(columns, np.array([0.0, 1.0, 0.0, 1.0]))
    first, later = 0.75, 0.75
    for _ in range(300):
        odds = (first / (1 - later)) ** 2
        q = odds / (1 + odds)
        first, later = (4 + q) / (6 + q), 4 / (6 + 1 - q)
    assert if_first.tolist() == pytest.approx([first, first], abs=1e-6)
    assert if_later.tolist() == pytest.approx([later, later], abs=1e-6)
