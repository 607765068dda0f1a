"""One list of names: nothing is written that it lacks, and the documentation has every one."""

import json
import re
from pathlib import Path

import pytest

from training.rlhf.metrics import METRICS, MetricsWriter

DOCS = Path(__file__).parents[2] / "docs/metrics.md"


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path / "metrics.jsonl")
    with pytest.raises(KeyError, match="loss/new is not in"):
        writer.write(1, {"loss/new": 1.0})


def test_values_that_are_no_number_are_left_out_and_the_latest_remembered(tmp_path: Path) -> None:
    writer = MetricsWriter(tmp_path / "metrics.jsonl")
    writer.write(1, {"loss/sft": 2.0, "valid/accuracy.held_out": float("nan")})
    writer.write(2, {"loss/sft": 1.5})
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss/sft"]) for line in lines] == [(1, 2.0), (2, 1.5)]
    assert "valid/accuracy.held_out" not in lines[0]
    assert writer.latest == {"loss/sft": 1.5}
    assert MetricsWriter(tmp_path / "metrics.jsonl").latest == {"loss/sft": 1.5}  # after a resume


def test_documentation_has_every_metric_with_its_unit_and_no_other() -> None:
    whole_row = (
        r"^\| `([a-z0-9_/]+)` \| ([^|]+) \| .+(?<!\\) \| .+ \|$"  # the findings' rows have three cells
    )
    rows = re.findall(whole_row, DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name: unit.strip() for name, unit in rows}
    assert len(documented) == len(rows)
    assert documented == {name: metric.unit or "-" for name, metric in METRICS.items()}
