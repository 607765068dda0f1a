"""What a run's process left beside its numbers: findings in words, plots, the table of folds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from training.models import Run

Point = tuple[float, float]


@dataclass(frozen=True)
class Plot:
    """Lines of points with named axes, and the same as rows of a table: x, then a value or none per line."""

    name: str
    title: str
    x: str
    y: str
    lines: list[tuple[str, list[Point]]]

    @property
    def rows(self) -> list[tuple[float, list[float | None]]]:
        """Join the lines at their x."""
        values = [dict(points) for _, points in self.lines]
        return [(x, [line.get(x) for line in values]) for x in sorted({x for line in values for x in line})]


def plots(run: Run) -> list[Plot]:
    """Return the plots of a run; what is no plot is left out."""
    found: Mapping[str, Any] = run.report.get("plots") or {}
    return [plot for name, value in found.items() if (plot := _plot(name, value)) is not None]


def lines_of(run: Run) -> dict[str, list[list[Point]]]:
    """Return the lines of each plot, as charts draw them."""
    return {plot.name: [points for _, points in plot.lines] for plot in plots(run)}


def _plot(name: str, value: Any) -> Plot | None:
    try:
        lines = [
            (str(line["name"]), [(float(x), float(y)) for x, y in line["points"]]) for line in value["lines"]
        ]
        return Plot(name, str(value["title"]), str(value["x"]), str(value["y"]), lines)
    except (KeyError, TypeError, ValueError):
        return None
