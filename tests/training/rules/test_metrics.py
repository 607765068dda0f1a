"""What a run reported, thinned; and how its numbers are written."""

import pytest

from training.models import Run, RunState, Stage
from training.rules.curves import store_points
from training.rules.metrics import charts, thin
from training.templatetags.numbers import clock, duration, short


def test_thinned_curve_keeps_both_ends_and_its_order() -> None:
    points = [(step, float(step)) for step in range(1001)]
    thinned = thin(points, 11)
    assert [step for step, _ in thinned] == list(range(0, 1001, 100))
    assert thin(points[:5], 11) == points[:5]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "–"),
        (0.000123456, "0.0001235"),
        (12345, "12,345"),
        (13042.7, "13,043"),
        (-1e16, "-1e+16"),
        (2.0, "2"),
        (True, "yes"),
        ("a", "a"),
    ],
)
def test_numbers_are_written_short(value: object, words: str) -> None:
    assert short(value) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "–"), (-3, "0 s"), (89, "89 s"), (600, "10 min"), (3600 * 3 + 300, "3 h 05 min")],
)
def test_times_are_written_as_people_say_them(seconds: float | None, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.django_db
def test_of_a_run_that_has_ended_a_number_that_came_once_is_no_curve() -> None:
    run = Run.objects.create(stage=Stage.SFT, folder="x", state=RunState.RUNNING)
    records = [{"step": 1, "loss/sft": 2.0, "data/examples": 9.0}, {"step": 2, "loss/sft": 1.0}]
    store_points(run, records)
    assert [chart.name for chart in charts(run, 5)] == ["data/examples", "loss/sft"]
    run.state, run.result = RunState.FINISHED, {"data/examples": 9.0, "loss/sft": 1.0}
    assert [chart.name for chart in charts(run, 5)] == ["loss/sft"]
    run.result = {}
    assert len(charts(run, 5)) == 2, "what stands nowhere else keeps its chart"


@pytest.mark.django_db
def test_a_run_of_a_single_step_keeps_its_charts() -> None:
    run = Run.objects.create(stage=Stage.SFT, folder="x", state=RunState.FINISHED, result={"valid/loss": 1.0})
    store_points(run, [{"step": 0, "valid/loss": 1.0}])
    assert [chart.name for chart in charts(run, 5)] == ["valid/loss"]


def test_hours_of_a_point_are_written_as_hours_of_work_are() -> None:
    assert [clock(hours) for hours in (None, 0, 0.004, 0.12, 3.7, 1234.5)] == [
        "–", "0:00", "under 0:01", "0:07", "3:42", "1,234:30",
    ]  # fmt: skip
