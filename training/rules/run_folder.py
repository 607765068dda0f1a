"""The folder of a run: made before the process starts, read while it works (docs/training.md)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings

from training.models import Run
from training.rules import artifacts, curves
from training.rules.storage_faults import explained

LOG_TAIL_BYTES = 8000
SAMPLE_STEPS_KEPT = 10
SAMPLES_A_STEP = 8
SAMPLE_CHARACTERS = 4000


def folder_of(run: Run) -> Path:
    """Return where a run's folder is on this machine."""
    return Path(settings.RUNS_DIR) / run.folder


def prepare(run: Run) -> Path:
    """Write run.toml and link the inputs. What an earlier attempt left stays, except its verdict.

    Raises FileNotFoundError if an input is not stored any more, Unavailable where nothing can be written.
    """
    folder = folder_of(run)
    with explained(str(settings.RUNS_DIR)):
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / "run.toml.new"
        draft.write_text(run.config, encoding="utf-8")
        draft.replace(folder / "run.toml")
    for given in run.inputs.select_related("dataset", "model"):
        source = given.dataset or given.model
        if source is not None and source.folder:
            artifacts.place(source.folder, folder / "inputs" / given.name)
    (folder / "cancel").unlink(missing_ok=True)
    if read_result(folder).get("state") != "finished":
        (folder / "result.json").unlink(missing_ok=True)
    return folder


def read_result(folder: Path) -> dict[str, Any]:
    """Return what the process said last, empty where it said nothing."""
    return _read_json(folder / "result.json")


def read_facts(folder: Path) -> dict[str, Any]:
    """Return what training left beside the weights, empty where there is no model."""
    return _read_json(folder / "model" / "instructloop.json")


def read_progress(folder: Path) -> dict[str, Any]:
    """Return the columns of a run that progress.json knows of, empty before there is any."""
    progress = _read_json(folder / "progress.json")
    if not progress:
        return {}
    return {
        "phase": str(progress.get("phase") or "")[:60],
        "progress_done": float(progress.get("done") or 0),
        "progress_total": float(progress.get("total") or 0),
        "progress_unit": str(progress.get("unit") or "")[:30],
        "eta_seconds": progress.get("eta_seconds"),
    }


def read_report(folder: Path) -> dict[str, Any]:
    """Return every column of a run that its files know of by now."""
    found = {"log_tail": read_log_tail(folder), **read_progress(folder)}
    if samples := read_samples(folder):
        found["samples"] = samples
    if report := read_result(folder).get("report"):
        found["report"] = report
    return found


def read_log_tail(folder: Path) -> str:
    """Return the last lines of the process's log."""
    path = folder / "log.txt"
    if not path.exists():
        return ""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - LOG_TAIL_BYTES))
        text = file.read().decode("utf-8", "replace").replace("\x00", "")
    return text if size <= LOG_TAIL_BYTES else text.partition("\n")[2]


def read_samples(folder: Path) -> list[dict[str, Any]]:
    """Return sampled texts of some steps: the first, the newest, and others evenly between them.

    A step that came again after a resume replaces what it had said before.
    """
    path = folder / "samples.jsonl"
    if not path.exists():
        return []
    by_step: dict[int, dict[str, dict[str, Any]]] = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        record = _parse(line) if line else None
        if record and isinstance(record.get("step"), int):
            by_step.setdefault(record["step"], {})[str(record.get("prompt"))] = record
    steps = evenly(sorted(by_step), SAMPLE_STEPS_KEPT)
    return [
        {key: value[:SAMPLE_CHARACTERS] if isinstance(value, str) else value for key, value in record.items()}
        for step in steps
        for record in list(by_step[step].values())[:SAMPLES_A_STEP]
    ]


def evenly(steps: list[int], most: int) -> list[int]:
    """Leave out steps until at most `most` stand; the first and the last stay."""
    if len(steps) <= most:
        return steps
    return [steps[round(place * (len(steps) - 1) / (most - 1))] for place in range(most)]


@dataclass
class MetricsTail:
    """Copies the lines of metrics.jsonl into the database as they come; begin anew at any time."""

    run: Run
    folder: Path
    offset: int = 0

    def copy(self) -> int:
        """Store the lines that are complete by now, and return how many there were.

        Numbers of the same step are joined; a step that is repeated after a resume replaces what was there.
        """
        path = self.folder / "metrics.jsonl"
        if not path.exists():
            return 0
        with path.open("rb") as file:
            file.seek(self.offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        records = [record for record in map(_parse, whole.decode("utf-8", "replace").split("\n")) if record]
        if records:
            curves.store_points(self.run, records)
        self.offset += len(whole)
        return len(records)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return content if isinstance(content, dict) else {}


def _parse(line: str) -> dict[str, Any] | None:
    """Read one line; a number that JSON cannot hold (a loss that became NaN) is stored as none."""
    try:
        record = json.loads(line, parse_constant=lambda name: None)
    except json.JSONDecodeError:
        return None
    return {key: _storable(value) for key, value in record.items()} if isinstance(record, dict) else None


def _storable(value: Any) -> Any:
    """Replace what no database stores as text: NUL characters and halves of surrogate pairs."""
    return (
        value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()
        if isinstance(value, str)
        else value
    )


def responses_in(folder: Path) -> list[Mapping[str, Any]]:
    """Return the responses that a sample run wrote."""
    with (folder / "responses.jsonl").open(encoding="utf-8") as file:
        return [{key: _storable(value) for key, value in json.loads(line).items()} for line in file]
