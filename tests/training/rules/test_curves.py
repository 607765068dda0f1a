"""Curves of a run: thinned as they grow, whole in what they count, drawn anew where a resume went back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.training.factories import sft_run
from training.models import RunCurve
from training.rules.curves import MOST_POINTS, add_to_curve, rebuild_curves, store_points

pytestmark = pytest.mark.django_db


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3000))
def test_a_curve_keeps_few_points_evenly_and_counts_them_all(values: list[float]) -> None:
    curve = RunCurve(name="loss/sft")
    for step, value in enumerate(values):
        add_to_curve(curve, step, value)
    assert len(curve.points) <= MOST_POINTS
    assert curve.points == [[step, values[step]] for step in range(0, len(values), curve.stride)]
    assert (curve.count, curve.first, curve.last) == (len(values), values[0], values[-1])
    assert (curve.lowest, curve.highest) == (min(values), max(values))


def test_points_copied_a_few_at_a_time_draw_the_same_curve_as_all_at_once() -> None:
    slowly, at_once = sft_run(), sft_run()
    records = [{"step": step, "loss/sft": 1 / (step + 1)} for step in range(1, 1500)]
    for start in range(0, len(records), 37):
        store_points(slowly, records[start : start + 37])
    store_points(at_once, records)
    fields = ("stride", "count", "first", "last", "last_step", "lowest", "highest", "points")
    assert slowly.curves.values_list(*fields)[0] == at_once.curves.values_list(*fields)[0]


def test_a_step_that_comes_again_after_a_resume_replaces_the_old_one() -> None:
    run = sft_run()
    store_points(run, [{"step": step, "loss/sft": 9.0} for step in range(1, 6)])
    store_points(run, [{"step": step, "loss/sft": 1.0} for step in range(4, 8)])
    curve = run.curves.get()
    assert curve.points == [[1, 9.0], [2, 9.0], [3, 9.0], [4, 1.0], [5, 1.0], [6, 1.0], [7, 1.0]]
    assert (curve.count, curve.last_step) == (7, 7)


def test_a_metric_that_is_reported_seldom_keeps_its_own_stride() -> None:
    run = sft_run()
    records = [{"step": step, "loss/sft": 2.0, **({"accuracy": 0.7} if step % 100 == 0 else {})}
               for step in range(1, 2001)]  # fmt: skip
    store_points(run, records)
    strides = dict(run.curves.values_list("name", "stride"))
    assert strides == {"loss/sft": 4, "accuracy": 1}


def test_what_is_no_number_draws_no_curve() -> None:
    run = sft_run()
    store_points(run, [{"step": 1, "loss/sft": None, "note": "text", "is_new": True}, {"loss/sft": 3.0}])
    assert not run.curves.exists()
    assert run.points.count() == 1


def test_curves_drawn_anew_are_the_same() -> None:
    run = sft_run()
    store_points(run, [{"step": step, "kl": step / 7} for step in range(1, 700)])
    before = run.curves.values_list("stride", "count", "points").get()
    rebuild_curves(run)
    assert run.curves.values_list("stride", "count", "points").get() == before
