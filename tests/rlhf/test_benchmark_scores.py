"""What an answer is worth, against tables worked by hand."""

import math

import pytest

from training.rlhf.benchmark_scores import (
    answer_scores,
    overlap_f1,
    pair_entropy,
    pair_probability,
    rouge_l,
    truth_scores,
)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (-10.0, -10.0, 1.0),  # no preference: one bit
        (-10.0, -10.0 - math.log(3), 0.8112781244591328),  # 3 to 1: 0.75 log2(4/3) + 0.25 log2 4
        (-1.0, -2000.0, 0.0),  # certain, and no overflow
    ],
)
def test_entropy_of_a_pair(first: float, second: float, expected: float) -> None:
    assert pair_entropy(first, second) == pytest.approx(expected)
    assert pair_entropy(second, first) == pytest.approx(expected)


def test_probability_of_a_pair_is_its_share_of_both() -> None:
    assert pair_probability(math.log(0.03), math.log(0.01)) == pytest.approx(0.75)


def test_truth_is_the_best_answer_above_every_false_one_and_the_mass_of_the_true_ones() -> None:
    logprobs = [math.log(p) for p in (0.2, 0.1, 0.15, 0.05)]

    mc1, mc2 = truth_scores(logprobs, [True, True, False, False], 0)

    assert mc1 == 1.0
    assert mc2 == pytest.approx(0.3 / 0.5)
    assert truth_scores(logprobs, [True, True, False, False], 1)[0] == 0.0  # 0.1 is below 0.15


@pytest.mark.parametrize(
    ("prediction", "answer", "expected"),
    [
        ("The Cat!", "a cat", 1.0),  # case, punctuation and articles do not count
        ("black cat", "cat", 2 / 3),  # precision 1/2, recall 1
        ("dog", "cat", 0.0),
        ("", "cat", 0.0),
        ("the", "", 1.0),  # both empty once articles are gone
        ("cat cat", "cat", 2 / 3),  # a word counts as often as it stands there
    ],
)
def test_f1_of_words(prediction: str, answer: str, expected: float) -> None:
    assert overlap_f1(prediction, answer) == pytest.approx(expected)


def test_the_best_of_the_accepted_answers_counts() -> None:
    assert answer_scores("black cat", [["cat"], ["the black cat"]]) == (1.0, 1.0)
    assert answer_scores("cat black", [["black cat"]]) == (1.0, 0.0)


def test_where_there_is_no_answer_only_saying_so_is_right() -> None:
    assert answer_scores("unanswerable", []) == (1.0, 1.0)
    assert answer_scores("", []) == (1.0, 1.0)
    assert answer_scores("a cat", []) == (0.0, 0.0)
    assert answer_scores("unanswerable", [["a cat"]]) == (0.0, 0.0)


def test_a_wrong_number_is_worth_nothing_where_numbers_count() -> None:
    f1, exact = answer_scores("35 yards", [["42 yards"]])
    assert f1 == pytest.approx(0.5)
    assert exact == 0.0
    assert answer_scores("35 yards", [["42 yards"]], numbers=True) == (0.0, 0.0)
    assert answer_scores("42", [["42 yards"]], numbers=True)[0] == pytest.approx(2 / 3)


def test_of_several_spans_those_not_given_are_missed() -> None:
    f1, exact = answer_scores("Smith", [["Smith", "Jones"]])
    assert f1 == pytest.approx(0.5)
    assert exact == 0.0
    assert answer_scores("Jones Smith", [["Smith", "Jones"]])[1] == 1.0


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("the cat sat", "the cat sat", 1.0),
        ("the cat", "the black cat sat", 2 * 2 / 6),  # two words in order, of 2 and 4
        ("sat cat the", "the cat sat", 2 * 1 / 6),  # only one word is in order
        ("", "the cat", 0.0),
    ],
)
def test_rouge_l_is_the_longest_common_subsequence(prediction: str, reference: str, expected: float) -> None:
    assert rouge_l(prediction, reference) == pytest.approx(expected)
