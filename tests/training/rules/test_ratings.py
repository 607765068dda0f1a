"""Mean ratings against tables worked by hand."""

from training.rules.ratings import mean_rating


def test_ratings_of_one_prompt_go_together() -> None:
    apart = mean_rating({1: [5.0], 2: [5.0], 3: [3.0], 4: [3.0]})
    together = mean_rating({1: [5.0, 5.0], 2: [3.0, 3.0]})
    assert apart.value == together.value == 4.0
    assert apart.low is not None
    assert together.low is not None
    assert together.low < apart.low
    assert mean_rating({1: [4.0]}).low is None
    assert mean_rating({}).value is None
