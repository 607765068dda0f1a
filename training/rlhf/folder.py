"""The small files of a run folder, written and read without torch."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Cancellation:
    """Whether somebody asked the run in a folder to stop: by a file named cancel, or by SIGTERM."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "cancel"
        self._terminated = False

    def listen(self) -> None:
        """Treat SIGTERM as a request to stop, instead of dying of it."""
        signal.signal(signal.SIGTERM, self._terminate)

    def _terminate(self, number: int, frame: object) -> None:
        self._terminated = True

    @property
    def asked(self) -> bool:
        """True once the run has been asked to stop."""
        return self._terminated or self._file.exists()

    def clear(self) -> None:
        """Forget a request that an earlier process has honoured."""
        self._file.unlink(missing_ok=True)


def write_json(
    path: Path, value: Mapping[str, Any], *, durable: bool = False, indent: int | None = 2
) -> None:
    """Replace a JSON file in one move; with durable, only after it is on disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=indent, ensure_ascii=False) + "\n")
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, path)


def write_progress(
    folder: Path, stage: str, phase: str, done: int, total: int, unit: str, eta_seconds: float | None = None
) -> None:
    """Replace progress.json: how far a phase is, and the seconds it may still take."""
    progress = {
        "stage": stage,
        "phase": phase,
        "done": done,
        "total": total,
        "unit": unit,
        "eta_seconds": None if eta_seconds is None else round(eta_seconds, 1),
        "at": round(time.time(), 3),
    }
    write_json(folder / "progress.json", progress)


def read_result(folder: Path) -> dict[str, Any]:
    """Read result.json; empty where there is none."""
    try:
        return dict(json.loads((folder / "result.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def write_result(
    folder: Path,
    state: str,
    reason: str,
    metrics: Mapping[str, float],
    model: str | None = None,
    exit_status: int = 0,
    report: Mapping[str, Any] | None = None,
) -> None:
    """Write result.json, the last thing a run does. state is finished, cancelled or failed.

    report  what is no single number: tables, curves, findings
    """
    result = {
        "state": state,
        "reason": reason,
        "metrics": dict(metrics),
        "model": model,
        "exit_status": exit_status,
        "report": dict(report or {}),
    }
    write_json(folder / "result.json", result, durable=True)
