"""What an answer is worth, against tables worked by hand."""

import math

import pytest

from training.rlhf.benchmark_scores import (
    answer_scores,
    choice_scores,
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


def test_choices_are_compared_by_token_by_sum_and_by_character() -> None:
    # Sums -6, -4, -9 of 3, 1, 9 tokens and 8, 2, 6 characters:
    # means -2, -4, -1; sums -6, -4, -9; per character -0.75, -2, -1.5.
    for answer, right in enumerate(("acc_norm", "acc", "acc_token")):
        found = choice_scores([-6.0, -4.0, -9.0], [3, 1, 9], [8, 2, 6], answer)
        assert found == {name: float(name == right) for name in ("acc_token", "acc", "acc_norm")}


def test_of_equal_choices_the_first_is_taken() -> None:
    assert choice_scores([-4.0, -4.0], [2, 2], [5, 5], 0)["acc_token"] == 1.0
    assert choice_scores([-4.0, -4.0], [2, 2], [5, 5], 1)["acc_token"] == 0.0


def test_truth_is_the_best_answer_above_every_false_one_and_the_mass_of_the_true_ones() -> None:
    logprobs = [math.log(p) for p in (0.2, 0.1, 0.15, 0.05)]

    mc1, mc2 = truth_scores(logprobs, [True, True, False, False], 0)

    assert mc1 == 1.0
    assert mc2 == pytest.approx(0.3 / 0.5)
    assert truth_scores(logprobs, [True, True, False, False], 1)[0] == 0.0  # 0.1 is below 0.15


def test_the_best_of_the_accepted_answers_counts() -> None:
    assert answer_scores("black cat", [["cat"], ["the black cat"]]) == (1.0, 1.0)
    assert answer_scores("cat black", [["black cat"]]) == (1.0, 0.0)


def test_where_there_is_no_answer_only_saying_so_is_right() -> None:
    assert answer_scores("unanswerable", []) == (1.0, 1.0)
    assert answer_scores("", []) == (1.0, 1.0)
    assert answer_scores("a cat", []) == (0.0, 0.0)
    assert answer_scores("unanswerable", [["a cat"]]) == (0.0, 0.0)


def test_a_blank_answer_of_an_annotator_is_none() -> None:
    assert answer_scores("", [[""], ["3"]], numbers=True) == (0.0, 0.0)
    assert answer_scores("3", [[""], ["3"]], numbers=True) == (1.0, 1.0)


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
