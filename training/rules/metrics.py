"""What a run reported, thinned to what a person can look at."""

from collections.abc import Iterable, Iterator, Sequence
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
    return curves_of([run], most)[run.pk]


def curves_of(runs: Sequence[Run], most: int = CHART_POINTS) -> dict[int, dict[str, Curve]]:
    """Return the curves of several runs, read in one query, by the run's primary key."""
    return {
        key: {curve.name: _points(curve, most) for curve in drawn} for key, drawn in _stored(runs).items()
    }


def charts(run: Run, rows: int) -> list[Chart]:
    """Return each metric's summary with a table of some rows.

    Of a run that has ended, a number that came only once is no curve: it stands among the results.
    """
    return charts_of([run], rows)[run.pk]


def charts_of(runs: Sequence[Run], rows: int) -> dict[int, list[Chart]]:
    """Return the summaries of several runs, read in one query, by the run's primary key."""
    stored = _stored(runs)
    return {run.pk: _charts(run, stored[run.pk], rows) for run in runs}


def _stored(runs: Iterable[Run]) -> dict[int, list[RunCurve]]:
    """Read the curves of runs, apart from them.

    A prefetch would let runs and curves hold each other: tens of thousands of points would stay in memory
    after the answer, until the collector stops a later one to take them apart.
    """
    found: dict[int, list[RunCurve]] = {run.pk: [] for run in runs}
    for curve in RunCurve.objects.filter(run__in=found):
        found[curve.run_id].append(curve)
    return found


def _charts(run: Run, drawn: list[RunCurve], rows: int) -> list[Chart]:
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
            rows=_points(curve, rows),
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


def _points(curve: RunCurve, most: int) -> Curve:
    """Return at most `most` of the points that a curve keeps, its newest among them."""
    kept = curve.points
    if not kept or kept[-1][0] != curve.last_step:
        kept = [*kept, (curve.last_step, curve.last)]
    return [(int(step), float(value)) for step, value in thin(kept, most)]
