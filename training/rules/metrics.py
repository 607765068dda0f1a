"""What a run reported, thinned to what a person can look at."""

from collections import defaultdict
from dataclasses import dataclass

from django.utils import timezone

from training.models import Run

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
    return {name: thin(points, most) for name, points in sorted(_all_points(run).items())}


def charts(run: Run, rows: int) -> list[Chart]:
    """Return each metric's summary with a table of some rows."""
    found = []
    for name, points in sorted(_all_points(run).items()):
        values = [value for _, value in points]
        found.append(
            Chart(name, values[0], values[-1], min(values), max(values), len(points), thin(points, rows))
        )
    return found


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


def _all_points(run: Run) -> dict[str, Curve]:
    found: dict[str, Curve] = defaultdict(list)
    rows = run.points.order_by("step").values_list("step", "values")
    for step, values in rows.iterator(chunk_size=5000):
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[name].append((step, float(value)))
    return found
