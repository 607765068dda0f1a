"""Numbers that a run reported: every point is kept, and a thinned curve of each metric beside them.

A page reads the thinned curves alone: it costs the same after a hundred steps and after a hundred thousand.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from training.models import MetricPoint, Run, RunCurve

MOST_POINTS = 600
"""A curve has at most this many points; each time it is full, every second one goes."""
AT_ONCE = 500
NOT_NUMBERS = ("step", "at")


def store_points(run: Run, records: Iterable[Mapping[str, Any]]) -> int:
    """Store what a run reported, and carry its curves on. Returns the number of steps.

    Each record holds "step", "at" (seconds since 1970) and numbers by name. Records of the same step are
    joined; a step that comes again, after a resume, replaces what was there.
    """
    points: dict[int, MetricPoint] = {}
    with_step = [record for record in records if "step" in record]
    stored = dict(
        run.points.filter(step__in={int(record["step"]) for record in with_step}).values_list(
            "step", "values"
        )
    )
    for record in with_step:
        step = int(record["step"])
        values = {key: value for key, value in record.items() if key not in NOT_NUMBERS}
        joined = {**(points[step].values if step in points else stored.get(step, {})), **values}
        points[step] = MetricPoint(run=run, step=step, at=_time(record.get("at")), values=joined)
    with transaction.atomic():
        MetricPoint.objects.bulk_create(
            points.values(),
            batch_size=AT_ONCE,
            update_conflicts=True,
            update_fields=("at", "values"),
            unique_fields=("run", "step"),
        )
        if stored:
            rebuild_curves(run)
        else:
            _extend(run, ((step, points[step].values) for step in sorted(points)))
    return len(points)


def rebuild_curves(run: Run) -> None:
    """Draw the curves of a run anew from its points, as after a resume that went back some steps."""
    run.curves.all().delete()
    rows = run.points.order_by("step").values_list("step", "values")
    _extend(run, rows.iterator(chunk_size=5000))


def add_to_curve(curve: RunCurve, step: int, value: float) -> None:
    """Carry a curve on by one point: kept if it falls on the stride, counted in any case."""
    if curve.count % curve.stride == 0:
        curve.points.append([step, value])
        if len(curve.points) > MOST_POINTS:
            curve.points = curve.points[::2]
            curve.stride *= 2
    if curve.count == 0:
        curve.first = curve.lowest = curve.highest = value
    curve.count += 1
    curve.last_step, curve.last = step, value
    curve.lowest, curve.highest = min(curve.lowest, value), max(curve.highest, value)


def _extend(run: Run, rows: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Add steps that come in order; where one lies before the end of its curve, draw all of them anew."""
    curves = {curve.name: curve for curve in run.curves.all()}
    for step, values in rows:
        for name, value in values.items():
            if not isinstance(value, int | float) or isinstance(value, bool):
                continue
            curve = curves.get(name)
            if curve is None:
                curve = curves[name] = RunCurve(run=run, name=name)
            if curve.count and step <= curve.last_step:
                rebuild_curves(run)
                return
            add_to_curve(curve, step, float(value))
    RunCurve.objects.bulk_create(
        curves.values(),
        update_conflicts=True,
        update_fields=("stride", "count", "first", "last", "last_step", "lowest", "highest", "points"),
        unique_fields=("run", "name"),
    )


def _time(seconds: Any) -> datetime:
    return datetime.fromtimestamp(seconds, UTC) if isinstance(seconds, int | float) else timezone.now()
