"""Every run that is shipped can be loaded, and says how to be launched."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

from training.rlhf.config import dump_config, load_config, parse_config, to_mapping

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "training" / "rlhf" / "configs").glob("*.toml"))


def test_there_are_shipped_configs() -> None:
    names = {path.stem.partition("_")[0] for path in CONFIGS}

    assert len(CONFIGS) > 0
    assert {"tiny", "paper"} <= names


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_config_loads_and_survives_a_round_trip(path: Path) -> None:
    config = load_config(path)
    stage = str(tomllib.loads(path.read_text(encoding="utf-8"))["stage"])

    assert to_mapping(config)["stage"] == stage
    assert parse_config(stage, tomllib.loads(dump_config(config))) == config


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_shipped_config_states_source_command_hardware_and_expected_result(path: Path) -> None:
    header = path.read_text(encoding="utf-8").split("\n\n")[0]
    stage = str(tomllib.loads(path.read_text(encoding="utf-8"))["stage"])

    assert all(line.startswith("#") for line in header.splitlines())
    assert "arXiv" in header or "# Source: " in header
    assert f"-m training.rlhf {stage} --config" in header
    for part in ("# Launch: ", "# Hardware: ", "# Expect: "):
        assert header.count(part) == 1


# Ouyang et al. 2022 (arXiv 2203.02155); docs/training.md says which are printed there, read off, or ours.
PAPER: dict[str, dict[str, Any]] = {
    "paper_sft": {
        "sft.epochs": 16, "sft.minibatch_size": 32, "sft.dropout": 0.2, "sft.pretrain_fraction": 0.0,
        "sft.loss_on_prompt": False, "optim.learning_rate": 9.65e-6, "optim.schedule": "cosine",
        "optim.final_fraction": 0.1, "optim.warmup_steps": 0, "optim.betas": (0.9, 0.95),
        "inputs.reward": "inputs/reward",
    },
    "paper_sft_initialiser": {
        "sft.epochs": 2, "sft.pretrain_fraction": 0.1, "optim.learning_rate": 5e-6,
        "optim.schedule": "cosine", "optim.final_fraction": 0.1,
    },
    "paper_reward": {
        "reward.epochs": 1, "reward.minibatch_size": 64, "reward.folds": 0, "optim.learning_rate": 9e-6,
        "optim.schedule": "cosine", "optim.final_fraction": 0.1,
        "inputs.demonstrations": "inputs/demonstrations",
    },
    "paper_reward_folds": {"reward.folds": 5, "reward.epochs": 1, "reward.minibatch_size": 64},
    "paper_ppo": {
        "ppo.iterations": 512, "ppo.rollout_batch_size": 512, "ppo.minibatch_size": 64, "ppo.inner_epochs": 1,
        "ppo.kl_coef": 0.02, "ppo.kl_target": None, "ppo.clip": 0.2, "ppo.gamma": 1.0, "ppo.lam": 0.95,
        "ppo.temperature": 1.0, "ppo.ema_decay": 0.992, "ppo.estimator": "gae", "ppo.whiten_advantages": True,
        "ppo.value_learning_rate": 9e-6, "ppo.ptx_coef": 0.0, "ppo.samples_per_prompt": 1,
        "optim.learning_rate": 3.7e-6, "optim.schedule": "constant", "optim.warmup_steps": 80,
        "optim.warmup_start_fraction": 0.1, "optim.betas": (0.9, 0.95), "lengths.max_prompt_tokens": 1024,
        "lengths.max_response_tokens": 1024,
    },
    "paper_ppo_ptx": {
        "ppo.ptx_coef": 27.8, "ppo.ptx_examples_per_episode": 8.0, "optim.learning_rate": 1.18e-5,
        "ppo.kl_coef": 0.02, "ppo.ema_decay": 0.992, "ppo.minibatch_size": 64, "ppo.rollout_batch_size": 512,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", PAPER)
def test_paper_configs_hold_what_the_paper_prints(name: str) -> None:
    config: Any = load_config(CONFIGS[0].parent / f"{name}.toml")
    found = {key: getattr(getattr(config, key.split(".")[0]), key.split(".")[1]) for key in PAPER[name]}

    assert found == PAPER[name]
