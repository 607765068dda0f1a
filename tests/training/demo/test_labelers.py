from itertools import combinations
from random import Random

import pytest

from training.demo.labelers import SimulatedLabeler, make_labelers
from training.demo.world import demonstrate, write_prompts

HOT = "What is the opposite of hot?"


def a_labeler(*, noise: float = 0.0) -> SimulatedLabeler:
    return SimulatedLabeler(
        name="simulated-x",
        cohort="train",
        leniency=0,
        length_taste=0,
        manner_weight=0,
        good_fraction=0.5,
        noise=noise,
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_two_simulated_labelers_agree_as_often_as_people_in_the_paper(seed: int) -> None:
    labelers = make_labelers(train=4, held_out=3, seed=seed)
    rng, same, both = Random(seed), 0, 0
    for row in write_prompts(authors=30, per_author=20, seed=seed):
        texts = [demonstrate(row["prompt"], rng, good_fraction=0.45) for _ in range(4)]
        one, two = (who.consider(row["prompt"], texts, seed=seed) for who in rng.sample(labelers, 2))
        for i, j in combinations(range(4), 2):
            first, second = one.ranks[i] - one.ranks[j], two.ranks[i] - two.ranks[j]
            both += bool(first and second)
            same += first * second > 0

    assert both > 1500
    assert 0.70 < same / both < 0.76


def test_without_noise_the_order_is_that_of_the_gold_preference() -> None:
    opinion = a_labeler().consider(
        HOT, ["cold", "The opposite of hot is cold.", "It rained all day.", ""], seed=1
    )

    assert opinion.ranks == (2, 1, 3, 4)
    assert opinion.ratings[1] == 7
    assert opinion.ratings[3] == 1
    assert opinion.flags == ((), (), ("fails_task",), ("fails_task", "inappropriate"))


def test_equal_texts_are_tied_whatever_the_noise() -> None:
    opinion = a_labeler(noise=1.0).consider(HOT, ["Cold.", "Wet.", "Cold."], seed=1)

    assert opinion.ranks[0] == opinion.ranks[2]


def test_judgements_repeat_for_a_seed_and_differ_between_labelers() -> None:
    texts = ["The opposite of hot is cold.", "Cold.", "cold", "The opposite of hot is wet."]
    one, two = make_labelers(train=2, held_out=0, seed=1)
    opinions = [one.consider(f"{HOT} {n}", texts, seed=1) for n in range(20)]

    assert opinions == [one.consider(f"{HOT} {n}", texts, seed=1) for n in range(20)]
    assert opinions != [two.consider(f"{HOT} {n}", texts, seed=1) for n in range(20)]


def test_simulated_labelers_are_marked_by_name_and_belong_to_a_cohort() -> None:
    people = make_labelers(train=3, held_out=2, seed=1)

    assert [person.cohort for person in people] == ["train"] * 3 + ["held_out"] * 2
    assert all(person.name.startswith("simulated-") for person in people)
    assert len({person.name for person in people}) == 5
