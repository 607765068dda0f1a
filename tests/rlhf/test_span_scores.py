"""F1 of spans and numbers: tables worked by hand, and DROP's own evaluator as the harness ships it."""

from importlib import import_module

import pytest

from training.rlhf.span_scores import join_spans, numbered_words_of, overlap_f1, span_scores, words_of


@pytest.mark.parametrize(
    ("prediction", "answer", "expected"),
    [
        ("The Cat!", "a cat", 1.0),  # case, punctuation and articles do not count
        ("black cat", "cat", 2 / 3),  # precision 1/2, recall 1
        ("dog", "cat", 0.0),
        ("", "cat", 0.0),
        ("the", "", 1.0),  # both empty once articles are gone
        ("cat cat", "cat", 2 / 3),  # a word counts as often as it stands there
        ("well known", "well-known", 0.0),  # a hyphen goes like other punctuation, as in SQuAD
    ],
)
def test_f1_of_words(prediction: str, answer: str, expected: float) -> None:
    assert overlap_f1(words_of(prediction), words_of(answer)) == pytest.approx(expected)
    assert span_scores(prediction, [answer])[0] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3.5", ["3.5"]),
        ("10.0", ["10.0"]),
        ("10", ["10.0"]),
        ("$1,000", ["1000.0"]),
        ("The 42-yard run!", ["42.0", "yard", "run"]),
        ("1990-95", ["1990.0", "95.0"]),
    ],
)
def test_numbers_are_read_before_punctuation_goes(text: str, words: list[str]) -> None:
    assert numbered_words_of(text) == words


@pytest.mark.parametrize(
    ("prediction", "spans", "expected"),
    [
        ("3.5", ["35"], (0.0, 0.0)),
        ("10.0", ["10"], (1.0, 1.0)),
        ("35 yards", ["42 yards"], (0.0, 0.0)),  # the number is wrong
        ("42", ["42 yards"], (2 / 3, 0.0)),  # precision 1, recall 1/2
        ("42 42 yards", ["42 yards"], (1.0, 0.0)),  # a word counts once, but the span is another
        ("yards", ["forty yards"], (2 / 3, 0.0)),  # no number in digits is wanted
        ("Smith", ["Smith", "Jones"], (1 / 2, 0.0)),  # one of two
        ("Jones, Smith", ["Smith", "Jones"], (1.0, 1.0)),  # in any order
        ("Jones and Smith", ["Smith", "Jones"], (1.0, 1.0)),
        ("Tom, Ann, and Bob", ["Tom", "Ann", "Bob"], (1.0, 1.0)),
        ("Tom, Ann, Bob", ["Tom", "Ann"], (2 / 3, 0.0)),  # two right of three given
        ("Jones Smith", ["Smith", "Jones"], (1 / 3, 0.0)),  # one span: 2/3 of the one it fits, over two
        ("Al Bo, Al", ["Al", "Al Bo"], (1.0, 1.0)),  # each wanted span has one of its own
        ("3, 4", ["4", "3"], (1.0, 1.0)),
        ("1,000, 2,000", ["2000", "1000"], (1.0, 1.0)),  # a comma inside a number stays
        ("London, England", ["London, England"], (1.0, 1.0)),  # where one is wanted, commas are its own
        ("May 3, 1921; June 5, 1920", ["June 5, 1920", "May 3, 1921"], (1.0, 1.0)),
        (",", ["Smith", "Jones"], (0.0, 0.0)),
    ],
)
def test_spans_are_paired_one_to_one(
    prediction: str, spans: list[str], expected: tuple[float, float]
) -> None:
    assert span_scores(prediction, spans, numbers=True) == pytest.approx(expected)


def test_spans_without_numbers_are_paired_likewise() -> None:
    assert span_scores("Tom, Ann", ["Tom", "Ann"]) == (1.0, 1.0)
    assert span_scores("35 yards", ["42 yards"])[0] == pytest.approx(0.5)


@pytest.mark.parametrize(
    "spans", [["Tom", "Ann"], ["May 3, 1921", "June 5, 1920"], ["Bed and board", "Tea"], ["One, two"], ["7"]]
)
def test_what_a_solved_example_shows_is_worth_everything(spans: list[str]) -> None:
    assert span_scores(join_spans(spans), spans, numbers=True) == (1.0, 1.0)


SPANS = ["3", "3.0 yards", "the 42-yard line", "Tom", "Tom Brady", "brady", "$1,000", "1000", "", "a", "10.0"]


def test_pairs_of_spans_are_scored_as_by_the_published_evaluator() -> None:
    """Its F1 is rounded to two digits."""
    theirs = import_module("lm_eval.tasks.drop.utils").get_metrics
    for one in SPANS:
        for other in SPANS:
            exact, f1 = theirs([one], [other])
            ours = span_scores(one, [other], numbers=True)
            assert ours[0] == pytest.approx(f1, abs=0.0051), (one, other)
            assert ours[1] == exact, (one, other)


def test_lists_of_spans_are_scored_as_by_the_published_evaluator() -> None:
    theirs = import_module("lm_eval.tasks.drop.utils").get_metrics
    words = [span for span in SPANS if span]
    lists = [[words[i], words[(i + step) % len(words)], words[(i * step) % len(words)]] for i in range(10)
             for step in (1, 3, 7)]  # fmt: skip
    for given in lists:
        for wanted in lists[::4]:
            exact, f1 = theirs(given, wanted)
            ours = span_scores("; ".join(given), wanted, numbers=True)
            whole = theirs([", ".join(given)], wanted)
            assert ours[0] == pytest.approx(max(f1, whole[1]), abs=0.0051), (given, wanted)
            assert ours[1] == exact
