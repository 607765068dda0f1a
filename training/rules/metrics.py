"""What a run reported, thinned to what a person can look at."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.utils import timezone

from labeling.rules.csv_tables import csv_lines
from training.models import Run, RunCurve

CHART_POINTS = 300

Curve = list[tuple[int, float]]


@dataclass(frozen=True)
class Chart:
    """One metric of a run: its newest value, and some of its points for the table beside the curve."""

    name: str
    first: float
    last: float
    lowest: float
    highest: float
    points: int
    rows: Curve


def curves(run: Run, most: int = CHART_POINTS) -> dict[str, Curve]:
    """Return each metric's points in order of step, at most `most` of them, first and last among them."""
    return {curve.name: thin(_points(curve), most) for curve in run.curves.all()}


def charts(run: Run, rows: int) -> list[Chart]:
    """Return each metric's summary with a table of some rows.

    Of a run that has ended, a number that came only once is no curve: it stands among the results.
    """
    drawn = list(run.curves.all())
    if run.is_ended and any(curve.count > 1 for curve in drawn):
        drawn = [curve for curve in drawn if curve.count > 1 or curve.name not in run.result]
    return [
        Chart(
            name=curve.name,
            first=curve.first,
            last=curve.last,
            lowest=curve.lowest,
            highest=curve.highest,
            points=curve.count,
            rows=thin(_points(curve), rows),
        )
        for curve in drawn
    ]


def points_as_csv(run: Run) -> Iterator[str]:
    """Give every point of a run as lines of CSV: a step each, a column for each metric."""
    names = list(run.curves.values_list("name", flat=True))
    points = run.points.order_by("step").values_list("step", "at", "values").iterator(chunk_size=2000)
    rows = ([step, at.isoformat(), *map(values.get, names)] for step, at, values in points)
    return csv_lines(["step", "at", *names], rows)


def thin(points: Curve, most: int) -> Curve:
    """Leave out points evenly until at most `most` stand; the first and the last stay."""
    if len(points) <= most:
        return points
    stride = (len(points) - 1) / (most - 1)
    return [points[round(place * stride)] for place in range(most)]


def elapsed_seconds(run: Run) -> float | None:
    """Return how long a run has been at work, None before it started."""
    if run.started_at is None:
        return None
    return ((run.finished_at or timezone.now()) - run.started_at).total_seconds()


def _points(curve: RunCurve) -> Curve:
    """Return the points that a curve keeps, and its newest one if that is not among them."""
    kept = [(int(step), float(value)) for step, value in curve.points]
    newest = (curve.last_step, curve.last)
    return kept if kept and kept[-1][0] == curve.last_step else [*kept, newest]
