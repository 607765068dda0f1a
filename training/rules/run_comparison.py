"""Runs side by side: where their settings and inputs differ, and what came of it."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from training.models import Run
from training.rlhf.config import describe, flatten
from training.rules.metrics import Curve, curves_of

MOST_RUNS = 5
"""As many as there are line colors that can be told apart."""


@dataclass(frozen=True)
class Row:
    """One setting, input or final number, with its value in each run; None where a run has none."""

    name: str
    values: list[Any]
    help: str = ""
    paper: str = ""

    @property
    def differs(self) -> bool:
        return any(value != self.values[0] for value in self.values[1:])


@dataclass(frozen=True)
class Comparison:
    """What two or more runs share and where they part."""

    runs: list[Run]
    settings: list[Row]
    inputs: list[Row]
    results: list[Row]

    @property
    def differing(self) -> list[Row]:
        return [row for row in self.settings if row.differs]

    @property
    def alike(self) -> list[Row]:
        return [row for row in self.settings if not row.differs]


def compare_runs(runs: Sequence[Run]) -> Comparison:
    """Set runs side by side, in the order given. Their stages may differ; settings are matched by name."""
    configs = [flatten(tomllib.loads(run.config)) for run in runs]
    described = {field.key: field for run in runs for field in describe(run.stage)}
    keys = [key for key in described if not key.startswith("inputs.")]
    settings = [
        Row(
            name=key,
            values=[config.get(key) for config in configs],
            help=described[key].help,
            paper=described[key].paper,
        )
        for key in keys
    ]
    read = [{given.name: str(given.dataset or given.model) for given in run.inputs.all()} for run in runs]
    return Comparison(
        runs=list(runs),
        settings=settings,
        inputs=_rows(read),
        results=_rows([run.result for run in runs]),
    )


def joint_curves(runs: Sequence[Run]) -> dict[str, list[Curve]]:
    """Return, for each metric that any of the runs reported, one curve for each run, empty for none."""
    found_of = curves_of(runs)
    each = [found_of[run.pk] for run in runs]
    names = sorted({name for found in each for name in found})
    return {name: [found.get(name, []) for found in each] for name in names}


def _rows(columns: Sequence[Mapping[str, Any]]) -> list[Row]:
    names = list(dict.fromkeys(name for column in columns for name in column))
    return [Row(name, [column.get(name) for column in columns]) for name in names]
