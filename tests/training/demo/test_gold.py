from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.demo import answers
from training.demo.families import FAMILIES, phrase
from training.demo.gold import gold_score, judge

HOT = "Hi there. What is the opposite of hot?"


@pytest.mark.parametrize("name", FAMILIES)
def test_good_answers_score_one_and_every_sloppy_way_scores_less_on_average(name: str) -> None:
    family, rng = FAMILIES[name], Random(3)
    for way in answers.SLOPPY_WAYS.values():
        scores = []
        for _ in range(60):
            question = family.draw(rng)
            prompt = phrase(question, rng.randrange(len(family.templates)))
            assert gold_score(prompt, answers.good(question, rng)) == pytest.approx(1.0)
            scores.append(gold_score(prompt, way(question, rng)))
        assert sum(scores) / len(scores) < 0.95, way.__name__


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ("The opposite of hot is cold.", "Cold."),
        ("Cold.", "cold"),
        ("Cold.", "The opposite of hot is wet."),
        ("The opposite of hot is cold.", "The opposite of hot is cold. The dog sat by the river."),
        ("The opposite of hot is cold.", "What is the opposite of hot? The opposite of hot is cold."),
        ("The opposite of hot is cold.", "The opposite of hot is cold. What a silly question."),
        ("The opposite of hot is wet.", "The goat played in the garden."),
        ("The goat played in the garden.", ""),
    ],
)
def test_the_better_of_two_responses_scores_higher(better: str, worse: str) -> None:
    assert gold_score(HOT, better) > gold_score(HOT, worse)


@pytest.mark.parametrize(
    ("prompt", "response", "content"),
    [
        (HOT, "cold wet dry hot big", 0.0),
        ("Which is bigger, two or nine?", "Two is smaller than nine.", 1.0),
        ("Which is bigger, two or nine?", "Two is bigger than nine.", 0.0),
        ("Name three fruits.", "Apple, plum and pear.", 1.0),
        ("Name three fruits.", "Apple, apple and apple.", 0.2),
        ("Name three fruits.", "Apple and plum.", 0.6),
        ("Name three fruits.", "Hammer, saw and axe.", 0.0),
        ("Greet Anna in the morning.", "Good morning, Ben!", 0.5),
        ("Ask politely: open the door.", "Open the door now!", 0.5),
        ("Tell me the first letter of bread.", "It begins with the letter B.", 1.0),
        ("Go on: red, blue, red, blue.", "Red, blue, red.", 1.0),
        ("Go on: red, blue, red, blue.", "Red, red.", 0.0),
        ("I say Monday. What comes next?", "After Monday comes Tuesday.", 1.0),
    ],
)
def test_content_is_what_the_question_asked_for(prompt: str, response: str, content: float) -> None:
    assert judge(prompt, response).content == pytest.approx(content)


def test_an_unknown_prompt_is_judged_by_manner_and_form_alone() -> None:
    assert 0 < gold_score("Write a poem about Mars.", "Mars is red.") < 0.5


@given(prompt=st.text(max_size=80), response=st.text(max_size=200))
def test_any_two_texts_score_between_zero_and_one(prompt: str, response: str) -> None:
    assert 0.0 <= gold_score(prompt, response) <= 1.0
    assert 0.0 <= gold_score(HOT, response) <= 1.0
