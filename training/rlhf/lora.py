"""Low-rank adapters: small changes to the linear layers of a transformer whose own weights stay as they are.

Hu et al. 2021 (arXiv 2106.09685): y = W x + (alpha / rank) B A x, with A drawn at random and B zero, so that
training starts at the model it was given. Every linear layer is adapted, not attention alone. The layers are
not replaced: a hook adds the change of whichever adapter is in use, so one transformer serves several models
at once, each with its own adapter or with none, and everything that reads its weights goes on working.

On disk an adapter is a folder in the format of peft, beside the merged weights that every stage reads.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from training.rlhf.batching import generator
from training.rlhf.errors import RunRefusedError
from training.rlhf.sections import LoraSettings

FOLDER, WEIGHTS, ABOUT = "adapter", "adapter_model.safetensors", "adapter_config.json"
SWITCH = "_lora_switch"


class Place(NamedTuple):
    """A linear layer: its name in the transformer, its widths, and whether its weight is (in, out)."""

    name: str
    layer: Any
    width: int
    out: int
    turned: bool

    @property
    def key(self) -> str:
        """The name as a key of parameters, which may have no dots."""
        return self.name.replace(".", "/")


class Lora(nn.Module):
    """One adapter of a transformer: for each linear layer A (rank, in) and B (out, rank), in float32."""

    def __init__(self, trunk: Any, settings: LoraSettings, *, seed: int) -> None:
        super().__init__()
        self.settings = settings
        self.scale = settings.alpha / settings.rank
        self.down, self.up = nn.ParameterDict(), nn.ParameterDict()
        self._places = {id(place.layer.weight): place for place in linear_layers(trunk)}
        if not self._places:
            raise RunRefusedError(
                f"lora.rank is {settings.rank} but {type(trunk).__name__} has no linear layers; set it to 0."
            )
        source = generator("lora", seed)
        for place in self._places.values():
            device = place.layer.weight.device
            drawn = torch.randn(settings.rank, place.width, generator=source) / place.width**0.5
            self.down[place.key] = nn.Parameter(drawn.to(device))
            self.up[place.key] = nn.Parameter(torch.zeros(place.out, settings.rank, device=device))
        _switch(trunk)

    def change(self, key: str, x: Tensor) -> Tensor:
        """Compute what the adapter adds to the output of a layer: x (..., in) -> (..., out)."""
        change: Tensor = F.linear(F.linear(x, self.down[key]), self.up[key]) * self.scale
        return change

    @torch.no_grad()
    def merged(self, weight: Tensor) -> Tensor:
        """Add the change to a weight of the transformer; any other tensor is returned as it is."""
        place = self._places.get(id(weight))
        if place is None:
            return weight
        change: Tensor = (self.up[place.key] @ self.down[place.key]) * self.scale  # (out, in)
        return weight + (change.T if place.turned else change)

    def save(self, folder: Path, *, inside: str, task: str, base: str) -> None:
        """Write the adapter as peft reads it.

        inside  what stands before the transformer's names in the whole model, such as "transformer."
        task    peft's name of what the whole model does
        base    fingerprint of the weights it belongs to
        """
        folder.mkdir()
        tensors = {}
        for place in self._places.values():
            name = f"base_model.model.{inside}{place.name}"
            tensors[f"{name}.lora_A.weight"] = self.down[place.key].detach().cpu().contiguous()
            tensors[f"{name}.lora_B.weight"] = self.up[place.key].detach().cpu().contiguous()
        save_file(tensors, folder / WEIGHTS)
        places = self._places.values()
        about = {
            "peft_type": "LORA",
            "task_type": task,
            "base_model_name_or_path": None,
            "r": self.settings.rank,
            "lora_alpha": self.settings.alpha,
            "target_modules": sorted({place.name.rpartition(".")[2] for place in places}),
            "fan_in_fan_out": any(place.turned for place in places),
            "inference_mode": True,
        }
        (folder / ABOUT).write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        (folder / "base.json").write_text(json.dumps({"inside": inside, "sha256": base}) + "\n")


def linear_layers(trunk: Any) -> list[Place]:
    """List the linear layers inside the blocks of a transformer; embeddings and heads are none of them."""
    lists = {name: x for name, x in trunk.named_modules() if isinstance(x, nn.ModuleList)}
    if not lists:
        return []
    blocks = max(lists, key=lambda name: len(lists[name]))
    found = []
    for name, layer in lists[blocks].named_modules(prefix=blocks):
        turned = type(layer).__name__ == "Conv1D"
        if turned or isinstance(layer, nn.Linear):
            first, second = layer.weight.shape
            width, out = (first, second) if turned else (second, first)
            found.append(Place(name, layer, width, out, turned))
    return found


class _Switch:
    """Says which adapter of a transformer is in use."""

    def __init__(self) -> None:
        self.active: Lora | None = None


def _switch(trunk: Any) -> _Switch:
    found = getattr(trunk, SWITCH, None)
    if isinstance(found, _Switch):
        return found
    made = _Switch()
    for place in linear_layers(trunk):

        def add(_layer: Any, given: Any, out: Tensor, key: str = place.key) -> Tensor:
            return out if made.active is None else out + made.active.change(key, given[0])

        place.layer.register_forward_hook(add)
    setattr(trunk, SWITCH, made)
    return made


@contextlib.contextmanager
def in_use(trunk: Any, lora: Lora | None) -> Iterator[None]:
    """Run a transformer with an adapter, or without any."""
    switch = getattr(trunk, SWITCH, None)
    if switch is None:
        yield
        return
    before, switch.active = switch.active, lora
    try:
        yield
    finally:
        switch.active = before


def load_lora(folder: Path, trunk: Any) -> Lora | None:
    """Read an adapter that belongs to exactly these weights; None if there is none, or if it does not."""
    if not (folder / WEIGHTS).is_file() or not (folder / "base.json").is_file():
        return None
    base = json.loads((folder / "base.json").read_text(encoding="utf-8"))
    if base["sha256"] != fingerprint(trunk):
        return None
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    lora = Lora(trunk, LoraSettings(rank=about["r"], alpha=about["lora_alpha"]), seed=0)
    held = load_file(folder / WEIGHTS)
    for place in linear_layers(trunk):
        name = f"base_model.model.{base['inside']}{place.name}"
        with torch.no_grad():
            lora.down[place.key].copy_(held[f"{name}.lora_A.weight"])
            lora.up[place.key].copy_(held[f"{name}.lora_B.weight"])
    return lora


def fingerprint(trunk: Any) -> str:
    """Hash a transformer's own weights, names included."""
    digest = hashlib.sha256()
    for name, x in sorted(trunk.named_parameters()):
        digest.update(name.encode())
        digest.update(x.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
