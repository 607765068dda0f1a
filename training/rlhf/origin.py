"""What a checkpoint was made from, so that no other config and no other data go on from it.

Settings that say where and how a run works, what it reports, or how much it holds at once may change: a run
goes on from its checkpoint on other machines and with smaller microbatches. All others make it another run.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.rlhf.config import StageConfig, describe, flatten, to_mapping
from training.rlhf.errors import RunRefusedError
from training.rlhf.tokenizer import ABOUT_FILE

HASH_LENGTH = 64
FREE = {"stage", "device", "flex", "threads", "processes", "parallel"}
FREE_NAMES = {"microbatch_size", "microbatch_tokens", "kept_microbatches", "sampling_rows", "share_prompt"}


def origin_of(config: StageConfig, folder: Path) -> dict[str, dict[str, Any]]:
    """Describe a run: its settings by key, and each input by the hash of its dataset or its model's record.

    folder  the run folder, from which paths are read; a model without a record, such as one of the hub, has
            no hash and is not compared
    """
    flat = flatten(to_mapping(config))
    settings: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    for field in describe(config.stage):
        value, name = flat.get(field.key), field.key.rpartition(".")[2]
        if field.section == "inputs":
            inputs[field.key] = None if value is None else _hash(folder / value)
        elif not (field.key in FREE or field.section == "report" or name in FREE_NAMES):
            settings[field.key] = value
    return {"settings": settings, "inputs": inputs}


def require_same_origin(
    before: Mapping[str, Any], now: Mapping[str, Any], *, what: str, folder: Path
) -> None:
    """Refuse to go on from what another config or other inputs made.

    before, now  as origin_of gives them; what an earlier version did not write down is not compared
    what         what lies there, such as "the checkpoint after step 4", and in which folder
    """
    changed = [
        (key, value, now[part][key])
        for part in ("settings", "inputs")
        for key, value in before.get(part, {}).items()
        if key in now[part] and now[part][key] != value
    ]
    if changed:
        told = ", ".join(f"{key} was {_told(then)} and is {_told(is_now)}" for key, then, is_now in changed)
        raise RunRefusedError(
            f"{what} is of another run: {told}; put that back to go on, or remove {folder} to begin anew."
        )


def _hash(path: Path) -> str | None:
    for name in ("manifest.json", ABOUT_FILE):
        with contextlib.suppress(OSError):
            held = (path / name).read_bytes()
            with contextlib.suppress(ValueError, KeyError, TypeError):
                return str(json.loads(held)["hash"])  # a dataset's own, as its page shows it
            return hashlib.sha256(held).hexdigest()
    return None


def _told(value: Any) -> str:
    if isinstance(value, str) and len(value) == HASH_LENGTH:
        return value[:12]
    return "not set" if value is None else str(value)
