"""Run stages on tiny models in a folder, as the tests of several stages need them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from tests.rlhf.conftest import comparisons, demonstrations, texts, write_config, write_dataset
from training.rlhf.__main__ import main
from training.rlhf.batching import generator
from training.rlhf.config import PpoConfig, parse_config
from training.rlhf.model import RewardModel, new_reward_model, save_reward_model
from training.rlhf.rollout import Rollout

CPU = torch.device("cpu")
LENGTHS = {"max_prompt_tokens": 16, "max_response_tokens": 8}
PPO = {
    "iterations": 4,
    "rollout_batch_size": 16,
    "minibatch_size": 8,
    "microbatch_size": 4,
    "value_learning_rate": 1e-3,
    "ptx_examples_per_episode": 0.5,
    "ptx_sequence_tokens": 16,
}
OPTIM = {"learning_rate": 1e-3, "warmup_steps": 2}


def run_stage(folder: Path, stage: str, settings: Mapping[str, Any]) -> int:
    """Write run.toml and run the stage in this process; returns the exit status."""
    return main([stage, "--config", str(write_config(folder, stage, settings))])


def result(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "result.json").read_text()))


def metrics(folder: Path, name: str) -> list[float]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(folder / "model/model.safetensors"))


def same_weights(a: Path, b: Path) -> bool:
    one, other = weights(a), weights(b)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def link(folder: Path, **inputs: Path) -> None:
    (folder / "inputs").mkdir(parents=True, exist_ok=True)
    for name, target in inputs.items():
        (folder / "inputs" / name).symlink_to(target)


def prepare_sft(folder: Path, base: Path) -> Path:
    write_dataset(folder / "inputs/dataset", "sft", train=demonstrations(40), valid=demonstrations(8, 1))
    write_dataset(folder / "inputs/pretrain", "pretrain", train=texts(20))
    link(folder, policy=base)
    return folder


def prepare_reward(folder: Path, base: Path) -> Path:
    write_dataset(
        folder / "inputs/dataset",
        "comparisons",
        train=comparisons(120),
        valid=[*comparisons(30, 1), *comparisons(20, 2, "held_out")],
    )
    write_dataset(folder / "inputs/demonstrations", "sft", train=demonstrations(12))
    link(folder, policy=base)
    return folder


def make_reward_model(folder: Path, base: Path, *, bias: float = 0.1) -> Path:
    """A reward model that was never trained, with weights large enough to tell responses apart."""
    model, codec = new_reward_model(str(base), key="k", device=CPU, seed=5)
    shake(model)
    model.bias = bias
    folder.mkdir(parents=True)
    save_reward_model(model, codec, folder, {"kind": "reward"})
    return folder


def shake(model: RewardModel) -> None:
    with torch.no_grad():
        model.head.weight.add_(torch.randn(model.head.weight.shape, generator=generator("head")))


def prepare_ppo(folder: Path, base: Path) -> Path:
    make_reward_model(folder / "reward", base)
    write_dataset(
        folder / "inputs/prompts", "ppo_prompts", train=demonstrations(20), valid=demonstrations(4, 1)
    )
    write_dataset(folder / "inputs/pretrain", "pretrain", train=texts(20))
    link(folder, policy=base, reward=folder / "reward")
    return folder


def ppo_settings(**ppo: Any) -> dict[str, Any]:
    return {"lengths": LENGTHS, "optim": OPTIM, "ppo": {**PPO, **ppo}}


def ppo_config(**ppo: Any) -> PpoConfig:
    config = parse_config("ppo", {**ppo_settings(**ppo), "inputs": {"pretrain": "inputs/pretrain"}})
    assert isinstance(config, PpoConfig)
    return config


def copy_run(source: Path, target: Path) -> Path:
    return Path(shutil.copytree(source, target, symlinks=True))


def ragged(rollout: Rollout) -> Rollout:
    """Cut the responses of a rollout to lengths of their own, from one token to all."""
    rows, width = rollout.tokens.shape
    lengths = torch.arange(rows) * width // rows + 1
    real = rollout.response_mask & (torch.arange(width) < lengths.unsqueeze(1))
    cut = {name: x * real for name, x in _of_responses(rollout).items()}
    return rollout._replace(**cut)


def padded(rollout: Rollout, columns: int) -> Rollout:
    """Widen a rollout by columns that hold no real token, before the prompts and behind the responses."""
    wide = {name: F.pad(x, (0, columns)) for name, x in _of_responses(rollout).items()}
    prompts = {name: F.pad(getattr(rollout, name), (columns, 0)) for name in ("prompts", "prompt_mask")}
    return rollout._replace(**wide, **prompts)


def _of_responses(rollout: Rollout) -> dict[str, torch.Tensor]:
    """The parts with a column for each response token."""
    every = rollout._asdict()
    return {name: x for name, x in every.items() if x.dim() == 2 and not name.startswith("prompt")}
