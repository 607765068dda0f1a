"""The small files of a run folder, written and read without torch."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_json(path: Path, value: Mapping[str, Any], *, durable: bool = False) -> None:
    """Replace a JSON file in one move; with durable, only after it is on disk."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")
        if durable:
            file.flush()
            os.fsync(file.fileno())
    os.replace(temporary, path)


def read_result(folder: Path) -> dict[str, Any]:
    """Read result.json; empty where there is none."""
    try:
        return dict(json.loads((folder / "result.json").read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def write_result(
    folder: Path, state: str, reason: str, metrics: Mapping[str, float], model: str | None = None
) -> None:
    """Write result.json, the last thing a run does. state is finished, cancelled or failed."""
    result = {"state": state, "reason": reason, "metrics": dict(metrics), "model": model}
    write_json(folder / "result.json", result, durable=True)
