"""Resumable checkpoints that are there whole or not at all.

A checkpoint is written into a folder with a temporary name: tensors (safetensors), state (JSON), the
manifest last; every file is flushed to disk and only then is the folder renamed. The newest folder whose
manifest fits its files is the one to resume from, so a crash at any moment leaves the older one usable.
Weights that several processes share are gathered and written by one, so a run can go on with another number.
A checkpoint is mapped when it is read: processes of one machine share its pages, and each takes its part.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.rlhf.parallel import any_of, barrier, full, is_main, like

KEEP = 2
Stateful = nn.Module | torch.optim.Optimizer | dict[str, Tensor]


class Checkpoint(NamedTuple):
    """What a checkpoint folder holds: the step it was taken after, tensors by name, and plain state."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(
    folder: Path,
    step: int,
    parts: Mapping[str, Stateful],
    state: Mapping[str, Any] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> Path:
    """Write step-XXXXXXXX under folder, then remove all but the newest two.

    parts   modules, optimizers and plain tensors by name
    state   anything JSON can hold
    origin  what the run is made from, in JSON too: it says who may go on from here
    """
    final = folder / f"step-{step:08d}"
    [is_there] = any_of(final.exists())
    if is_there:
        return final
    tensors: dict[str, Tensor] = {"rng/cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors["rng/cuda"] = torch.cuda.get_rng_state()
    plain: dict[str, Any] = {}
    for name, part in parts.items():
        if isinstance(part, torch.optim.Optimizer):
            held = part.state_dict()
            plain[name] = held["param_groups"]
            for index, slots in held["state"].items():
                tensors |= {f"{name}/{index}/{slot}": torch.as_tensor(x) for slot, x in slots.items()}
        else:
            held = trained_state(part) if isinstance(part, nn.Module) else part
            tensors |= {f"{name}/{key}": x for key, x in held.items()}
    copies: dict[str, Tensor] = {}
    for name, x in tensors.items():
        joined = full(x.detach())  # every process takes part, and only the main one keeps what comes of it
        if is_main():  # a copy, because tied weights may not share memory in one safetensors file
            copies[name] = joined.to("cpu", copy=True).contiguous()
        del joined
    if is_main():
        said = {"state": dict(state or {}), "groups": plain, "origin": dict(origin or {})}
        _write(folder, final, step, copies, said)
    barrier()
    return final


def _write(
    folder: Path, final: Path, step: int, tensors: dict[str, Tensor], state: Mapping[str, Any]
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    temporary = folder / f".{final.name}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        _fill(temporary, step, tensors, state)
    except Exception:
        shutil.rmtree(temporary, ignore_errors=True)  # a full disk needs its room back
        raise
    temporary.rename(final)
    flush(folder)
    kept = _complete(folder)[-KEEP:]
    for old in folder.iterdir():  # older ones, and what an interrupted save or removal left
        if old not in kept:
            shutil.rmtree(old, ignore_errors=True)


def _fill(temporary: Path, step: int, tensors: dict[str, Tensor], state: Mapping[str, Any]) -> None:
    save_file(tensors, temporary / "tensors.safetensors")
    (temporary / "state.json").write_text(json.dumps(state))
    files = {path.name: path.stat().st_size for path in temporary.iterdir()}
    for name in files:
        flush(temporary / name)
    (temporary / "manifest.json").write_text(json.dumps({"step": step, "files": files}))
    flush(temporary / "manifest.json")


def newest_checkpoint(folder: Path) -> Checkpoint | None:
    """Read the newest complete checkpoint under folder, or nothing if there is none."""
    found = _complete(folder)
    if not found:
        return None
    held = json.loads((found[-1] / "state.json").read_text())
    step = json.loads((found[-1] / "manifest.json").read_text())["step"]
    return Checkpoint(step, load_file(found[-1] / "tensors.safetensors"), held)


def restore(checkpoint: Checkpoint, parts: Mapping[str, Stateful]) -> dict[str, Any]:
    """Put a checkpoint back into the parts it was made from, random state included; returns plain state."""
    for name, part in parts.items():
        prefix = f"{name}/"
        own = {k.removeprefix(prefix): x for k, x in checkpoint.tensors.items() if k.startswith(prefix)}
        if isinstance(part, torch.optim.Optimizer):
            slots: dict[int, dict[str, Tensor]] = {}
            for key, x in own.items():
                index, _, slot = key.partition("/")
                slots.setdefault(int(index), {})[slot] = x
            _load_optimizer(part, slots, checkpoint.state["groups"][name])
        elif isinstance(part, nn.Module):
            targets = trained_state(part)
            load_trained(part, {key: like(x, targets[key]) for key, x in own.items()})
        else:
            for key in part:
                part[key].copy_(like(own[key], part[key]))
    torch.set_rng_state(checkpoint.tensors["rng/cpu"])
    if "rng/cuda" in checkpoint.tensors and torch.cuda.is_available():
        torch.cuda.set_rng_state(checkpoint.tensors["rng/cuda"])
    return dict(checkpoint.state["state"])


def trained_state(module: nn.Module) -> dict[str, Tensor]:
    """What training changes of a module: everything, or where some weights are frozen only the others."""
    state = module.state_dict(keep_vars=True)
    some = any(not x.requires_grad for x in module.parameters())
    return {name: x.detach() for name, x in state.items() if x.requires_grad or not some}


def load_trained(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Put back what trained_state took; raises KeyError where it is something else."""
    if state.keys() != (own := trained_state(module).keys()):
        raise KeyError(f"the state is of other weights, such as {min(state.keys() ^ own)}")
    module.load_state_dict(dict(state), strict=False)


def _load_optimizer(
    optimizer: torch.optim.Optimizer, slots: dict[int, dict[str, Tensor]], groups: list[dict[str, Any]]
) -> None:
    params = [p for group in optimizer.param_groups for p in group["params"]]
    for index, own in slots.items():
        for slot, x in own.items():
            if x.shape == params[index].shape:  # moments; the step count is one number
                own[slot] = like(x, params[index])
    optimizer.load_state_dict({"state": slots, "param_groups": groups})


def flush(path: Path) -> None:
    """Wait until a file or folder is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _complete(folder: Path) -> list[Path]:
    """Checkpoint folders, oldest first, whose files have the sizes the manifest names."""
    found = []
    for path in sorted(folder.glob("step-*")):
        try:
            files = json.loads((path / "manifest.json").read_text())["files"]
            if all((path / name).stat().st_size == size for name, size in files.items()):
                found.append(path)
        except (OSError, ValueError, KeyError):
            continue
    return found
