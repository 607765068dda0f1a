"""What happens to a machine in the middle of a run, in one sentence: the disk is full, memory ran out."""

from __future__ import annotations

import errno
import json
import shutil
from pathlib import Path

FULL = {errno.ENOSPC, errno.EDQUOT}
FULL_WORDS = ("no space left on device", "disk quota exceeded", "os error 28", "os error 122")
MEMORY_WORDS = ("can't allocate memory", "cannot allocate memory", "out of memory", "unable to allocate")
SMALLER = {
    "pretrain": "pretrain.minibatch_size or pretrain.sequence_tokens",
    "sft": "sft.microbatch_tokens",
    "reward": "reward.microbatch_tokens",
    "ppo": "ppo.kept_microbatches (0 keeps none), ppo.microbatch_size or ppo.sampling_rows",
    "dpo": "dpo.microbatch_tokens",
    "sample": "sample.microbatch_size",
    "evaluate": "evaluate.microbatch_size",
    "benchmark": "benchmark.microbatch_size",
}
RESERVE_BYTES = 1 << 16


def explain(error: BaseException, folder: Path, stage: str) -> str | None:
    """Say what, where and what to do; None for an error that is none of these."""
    text = str(error).lower()
    if (isinstance(error, OSError) and error.errno in FULL) or any(word in text for word in FULL_WORDS):
        free = shutil.disk_usage(folder).free >> 20
        return (
            f"The disk that holds {folder} is full ({free} MB free); free some space and start the run "
            f"again. {kept(folder)}"
        )
    if isinstance(error, MemoryError) or any(word in text for word in MEMORY_WORDS):
        phase = _phase(folder)
        return (
            f"Memory ran out{f' while {phase}' if phase else ''}; lower {SMALLER[stage]}, or share the model "
            "over processes (parallel = fsdp); smaller lengths and smaller models are for a run begun anew. "
            f"{kept(folder)}"
        )
    return None


def kept(folder: Path) -> str:
    """Say from where a run can go on."""
    found = sorted(path.parent.name for path in (folder / "checkpoints").glob("step-*/manifest.json"))
    if not found:
        return "There is no checkpoint yet: it would begin anew."
    return f"It would go on from the checkpoint after step {int(found[-1].removeprefix('step-'))}."


def reserve(folder: Path) -> None:
    """Keep some room on the disk, so that a run on a full one can still say that it is full."""
    (folder / ".reserve").write_bytes(bytes(RESERVE_BYTES))


def release(folder: Path) -> None:
    """Give the room back."""
    (folder / ".reserve").unlink(missing_ok=True)


def _phase(folder: Path) -> str:
    try:
        return str(json.loads((folder / "progress.json").read_text(encoding="utf-8"))["phase"])
    except (OSError, ValueError, KeyError):
        return ""
