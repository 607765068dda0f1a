"""The clock of what is done regularly, on files that a killed process left."""

from pathlib import Path
from typing import Any

import pytest
from celery import Celery

from server.clock import Clock

NAMES = {"look"}


def clock(folder: Path) -> Clock:
    app = Celery("clock", set_as_current=False)
    app.conf.beat_schedule = {"look": {"task": "look", "schedule": 20.0}}
    return Clock(app, schedule_filename=str(folder / "beat-schedule"))


def due(found: Clock) -> set[str]:
    return {name for name in found.schedule if not name.startswith("celery.")}


def test_it_keeps_what_it_knows_over_a_restart(tmp_path: Path) -> None:
    first = clock(tmp_path)
    entry: Any = first.reserve(first.schedule["look"])
    first.close()
    assert clock(tmp_path).schedule["look"].total_run_count == entry.total_run_count == 1


@pytest.mark.parametrize("kept", [0, 1, 30])
def test_it_starts_on_files_that_were_cut_short(tmp_path: Path, kept: int) -> None:
    clock(tmp_path).close()
    files = list(tmp_path.iterdir())
    assert files
    for file in files:
        if file.suffix != ".dir":
            file.write_bytes(file.read_bytes()[:kept])
    again = clock(tmp_path)
    assert due(again) == NAMES
    again.close()
    assert due(clock(tmp_path)) == NAMES


def test_it_starts_on_files_full_of_something_else(tmp_path: Path) -> None:
    clock(tmp_path).close()
    for file in tmp_path.iterdir():
        file.write_bytes(b"\x00nonsense\xff" * 50)
    assert due(clock(tmp_path)) == NAMES
