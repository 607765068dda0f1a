"""What a run takes of its machine: copied while it works, thinned like a curve, and drawn over minutes."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.models import Run, RunResources

MOST_SAMPLES = 300
"""So many samples are kept at most; each time they are full, every second one goes."""
TABLE_ROWS = 12
GIB = 1024**3
READ_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Kind:
    """One thing that is measured: its name in the file, what pages call it, its unit, and what divides it."""

    key: str
    title: str
    unit: str
    divisor: float = 1.0


KINDS = (
    Kind("cpu", "CPU", "cores"),
    Kind("memory_bytes", "Memory", "GiB", GIB),
    Kind("gpu", "GPU at work", "share"),
    Kind("gpu_memory_bytes", "GPU memory", "GiB", GIB),
    Kind("disk_free_bytes", "Disk left", "GiB", GIB),
)


@dataclass(frozen=True)
class ResourceChart:
    """One measure over the minutes of a run: now, the highest and lowest, and rows for the table."""

    name: str
    title: str
    unit: str
    last: float
    lowest: float
    highest: float
    points: list[tuple[float, float]]
    rows: list[tuple[float, float]]


class ResourcesTail:
    """Copies the lines of resources.jsonl as they come; what is stored already is passed over."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.run, self.path, self.offset = run, folder / "resources.jsonl", 0

    def copy(self) -> int:
        """Store the lines that are whole by now. Returns how many were new."""
        if not self.path.exists():
            return 0
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(READ_BYTES)
        whole = data[: data.rfind(b"\n") + 1]
        if not whole:
            return 0
        added = store_samples(self.run, _read(whole.decode("utf-8", "replace").split("\n")))
        self.offset += len(whole)
        return added


def store_samples(run: Run, samples: Iterable[Mapping[str, float]]) -> int:
    """Add samples that are newer than the newest one stored. Returns how many were."""
    row, _ = RunResources.objects.get_or_create(run=run)
    newest, added = row.latest.get("at", 0), 0
    for sample in samples:
        if sample["at"] <= newest:
            continue
        newest, row.latest = sample["at"], dict(sample)
        if row.count % row.stride == 0:
            row.samples.append(dict(sample))
            if len(row.samples) > MOST_SAMPLES:
                row.samples, row.stride = row.samples[::2], row.stride * 2
        row.count += 1
        added += 1
        for key, value in sample.items():
            if key != "at":
                row.peak[key] = max(value, row.peak.get(key, value))
    if added:
        row.save()
    return added


def resource_charts(run: Run) -> list[ResourceChart]:
    """Return a chart for each thing that was measured, over minutes since the first sample."""
    row = RunResources.objects.filter(run=run).first()
    if row is None or not row.samples:
        return []
    kept = [*row.samples, *([row.latest] if row.samples[-1] != row.latest else [])]
    found = []
    for kind in KINDS:
        points = [
            (round((sample["at"] - kept[0]["at"]) / 60, 2), sample[kind.key] / kind.divisor)
            for sample in kept
            if kind.key in sample
        ]
        if points:
            found.append(_chart(kind, points, row.peak.get(kind.key, 0) / kind.divisor))
    return found


def lines_of(run: Run) -> dict[str, list[tuple[float, float]]]:
    """Return the points of each measure, as charts draw them."""
    return {chart.name: chart.points for chart in resource_charts(run)}


def _chart(kind: Kind, points: list[tuple[float, float]], highest: float) -> ResourceChart:
    values = [value for _, value in points]
    step = max(1, len(points) // TABLE_ROWS)
    return ResourceChart(
        name=f"resources/{kind.key}",
        title=kind.title,
        unit=kind.unit,
        last=values[-1],
        lowest=min(values),
        highest=highest,
        points=points,
        rows=[*points[:-1:step], points[-1]],
    )


def _read(lines: Iterable[str]) -> Iterable[dict[str, float]]:
    for line in lines:
        try:
            sample = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(sample, dict) and isinstance(sample.get("at"), int | float):
            yield {key: value for key, value in sample.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
