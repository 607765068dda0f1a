"""What a run reported, thinned; and how its numbers are written."""

import pytest

from training.rules.metrics import thin
from training.templatetags.numbers import duration, short


def test_thinned_curve_keeps_both_ends_and_its_order() -> None:
    points = [(step, float(step)) for step in range(1001)]
    thinned = thin(points, 11)
    assert [step for step, _ in thinned] == list(range(0, 1001, 100))
    assert thin(points[:5], 11) == points[:5]


@pytest.mark.parametrize(
    ("value", "words"),
    [(None, "–"), (0.000123456, "0.0001235"), (12345, "12,345"), (2.0, "2"), (True, "True"), ("a", "a")],
)
def test_numbers_are_written_short(value: object, words: str) -> None:
    assert short(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (-3, "0 s"), (89, "89 s"), (600, "10 min"), (3600 * 3 + 300, "3 h 05 min")],
)
def test_times_are_written_as_people_say_them(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words
