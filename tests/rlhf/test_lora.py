"""Adapters: merged they say what they said unmerged, they alone are trained, and models share a trunk."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.rlhf.conftest import tiny_model
from tests.rlhf.stages import (
    CPU,
    LENGTHS,
    OPTIM,
    copy_run,
    metrics,
    ppo_settings,
    prepare_ppo,
    prepare_reward,
    prepare_sft,
    result,
    run_stage,
    same_weights,
    weights,
)
from training.rlhf.batching import right_pad
from training.rlhf.checkpoint import newest_checkpoint, trained_state
from training.rlhf.config import ConfigError, PpoConfig, parse_config
from training.rlhf.generation import generate, row_uniforms
from training.rlhf.lora import ABOUT, FOLDER, Lora, linear_layers
from training.rlhf.model import LanguageModel, load_policy, load_reward_model, save_policy
from training.rlhf.one_trunk import models_on_one_trunk
from training.rlhf.runtime import Run
from training.rlhf.sections import LoraSettings
from training.rlhf.tokenizer import Codec

SETTINGS = LoraSettings(rank=3, alpha=6.0)
LORA: dict[str, Any] = {"lora": {"rank": 3, "alpha": 6.0}}
ROWS = right_pad([[5, 6, 7, 8], [9, 10], [11, 12, 13]])


def adapted(codec: Codec, shape: str) -> LanguageModel:
    """A tiny model with an adapter that changes what it says."""
    model = tiny_model(codec, shape)
    lora = Lora(model.body.module, SETTINGS, seed=0)
    model.adapt(lora)
    with torch.no_grad():
        for x in lora.up.values():
            x.add_(torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) * 0.3)
    return model


@torch.no_grad()
def logits(model: LanguageModel) -> Tensor:
    return model.logits(model.hidden(*ROWS)[ROWS[1]])


def test_a_new_adapter_changes_nothing(codec: Codec, shape: str) -> None:
    model = tiny_model(codec, shape)
    before = logits(model)
    model.adapt(Lora(model.body.module, SETTINGS, seed=0))
    assert torch.equal(logits(model), before)


def test_merged_weights_say_what_the_adapter_says(codec: Codec, shape: str, tmp_path: Path) -> None:
    model = adapted(codec, shape)
    assert not torch.allclose(logits(model), logits(tiny_model(codec, shape)), atol=1e-2)
    save_policy(model, codec, tmp_path, {"kind": "sft"})
    merged, _ = load_policy(str(tmp_path), key="k", device=CPU)
    assert torch.allclose(logits(merged), logits(model), atol=1e-5)


def test_the_saved_adapter_is_one_that_peft_reads(codec: Codec, shape: str, tmp_path: Path) -> None:
    from peft import PeftModel

    model = adapted(codec, shape)
    save_policy(model, codec, tmp_path, {"kind": "sft"})
    peft: Any = PeftModel
    theirs = peft.from_pretrained(tiny_model(codec, shape).causal, tmp_path / FOLDER).eval()
    with torch.no_grad():
        found = theirs(input_ids=ROWS[0], attention_mask=ROWS[1].long(), use_cache=False).logits[ROWS[1]]
    assert torch.allclose(found, logits(model), atol=1e-5)


def test_only_the_adapter_gets_gradients(codec: Codec, shape: str) -> None:
    model = adapted(codec, shape)
    torch.autograd.backward(model.logits(model.hidden(*ROWS)).square().mean())
    with_gradient = {name for name, x in model.named_parameters() if x.grad is not None}
    assert with_gradient == {name for name, _ in model.named_parameters() if name.startswith("lora.")}
    assert len(with_gradient) == 2 * len(linear_layers(model.body.module))
    assert trained_state(model).keys() == with_gradient


def test_sampling_uses_the_adapter(codec: Codec, shape: str, tmp_path: Path) -> None:
    model = adapted(codec, shape)
    save_policy(model, codec, tmp_path, {"kind": "sft"})
    merged, _ = load_policy(str(tmp_path), key="k", device=CPU)
    uniforms = row_uniforms(2, 8, 0)
    made = [
        generate(
            each, [[5, 6, 7], [8]], n=1, max_tokens=8, eos_id=codec.eos_id, temperature=0, uniforms=uniforms
        ).rows()
        for each in (model, merged)
    ]
    assert made[0] == made[1]


def test_one_trunk_answers_with_and_without_its_adapter(codec: Codec, shape: str) -> None:
    model = adapted(codec, shape)
    reference = LanguageModel(model.causal)
    plain = logits(tiny_model(codec, shape))
    for _ in range(2):
        assert torch.equal(logits(reference), plain)
        assert not torch.allclose(logits(model), plain, atol=1e-2)


def trained_reward(folder: Path, base: Path, **settings: Any) -> Path:
    prepared = prepare_reward(folder, base)
    given = {"lengths": LENGTHS, "optim": OPTIM, "reward": {"minibatch_size": 15}, **settings}
    assert run_stage(prepared, "reward", given) == 0
    return prepared / "model"


def test_ppo_shares_one_trunk_with_a_reward_adapter(base_folder: Path, tmp_path: Path) -> None:
    """Policy, reference, reward and value model: one transformer, four ways to run it."""
    reward = trained_reward(tmp_path / "reward", base_folder, **LORA)
    folder = prepare_ppo(tmp_path / "ppo", base_folder)
    (folder / "inputs/reward").unlink()
    (folder / "inputs/reward").symlink_to(reward)
    config = parse_config("ppo", {**ppo_settings(), **LORA})
    assert isinstance(config, PpoConfig)
    run = Run(folder, config)
    policy, codec = load_policy(str(base_folder), key="k", device=CPU)
    models = models_on_one_trunk(policy, codec, config, run)
    assert models.reference
    assert models.reward
    assert models.value
    trunks = {id(x.body.module) for x in (policy, models.reference, models.reward, models.value)}
    assert len(trunks) == 1
    merged, _ = load_reward_model(str(reward), key="k", device=CPU)
    with torch.no_grad():
        expected = merged.scores(*ROWS)
        assert torch.allclose(models.reward.scores(*ROWS), expected, atol=1e-5)
        assert torch.allclose(models.value.scores(*ROWS), expected, atol=1e-5)  # starts as the reward model
    trained = [id(x) for m in (policy, models.value) for x in m.parameters() if x.requires_grad]
    assert len(trained) == len(set(trained))
    assert not any(x.requires_grad for m in (models.reference, models.reward) for x in m.parameters())


@pytest.mark.parametrize("own_trunk", [True, False], ids=["a reward model of its own", "a reward adapter"])
def test_ppo_with_adapters_starts_at_ratio_one_and_leaves_the_base(
    own_trunk: bool, base_folder: Path, tmp_path: Path
) -> None:
    folder = prepare_ppo(tmp_path / "ppo", base_folder)
    if not own_trunk:
        (folder / "inputs/reward").unlink()
        (folder / "inputs/reward").symlink_to(trained_reward(tmp_path / "reward", base_folder, **LORA))
    assert run_stage(folder, "ppo", {**ppo_settings(iterations=2, ema_decay=0.5), **LORA}) == 0, result(
        folder
    )
    assert metrics(folder, "ppo/ratio_first")[0] == pytest.approx(0, abs=1e-6)
    assert metrics(folder, "objective/kl")[0] == pytest.approx(0, abs=1e-5)
    base, after = load_policy(str(base_folder), key="k", device=CPU)[0], weights(folder)
    before = base.causal.state_dict()
    changed = {name for name, x in after.items() if not torch.equal(x, before[name])}
    assert changed == {f"model.{place.name}.weight" for place in linear_layers(base.body.module)}
    assert json.loads((folder / "model" / FOLDER / ABOUT).read_text())["r"] == 3


def test_an_adapter_on_top_of_a_supervised_one_starts_at_the_policy(
    base_folder: Path, tmp_path: Path
) -> None:
    supervised = prepare_sft(tmp_path / "sft", base_folder)
    given = {"lengths": LENGTHS, "optim": OPTIM, "sft": {"epochs": 1, "minibatch_size": 8}, **LORA}
    assert run_stage(supervised, "sft", given) == 0, result(supervised)
    folder = prepare_ppo(tmp_path / "ppo", supervised / "model")
    assert run_stage(folder, "ppo", {**ppo_settings(iterations=2), **LORA}) == 0, result(folder)
    assert metrics(folder, "ppo/ratio_first")[0] == 0
    assert metrics(folder, "objective/kl")[0] == pytest.approx(0, abs=1e-6)
    assert metrics(folder, "objective/kl")[1] != 0
    before, after = weights(supervised), weights(folder)
    assert any(not torch.equal(before[name], after[name]) for name in before)


def test_a_stopped_run_with_adapters_goes_on_bit_for_bit(base_folder: Path, tmp_path: Path) -> None:
    settings = {
        **ppo_settings(iterations=3, ema_decay=0.5),
        **LORA,
        "report": {"checkpoint_every": 1},
    }
    straight = prepare_ppo(tmp_path / "straight", base_folder)
    assert run_stage(straight, "ppo", settings) == 0
    again = copy_run(straight, tmp_path / "again")
    (again / "result.json").unlink()  # as if it had died while saving
    assert run_stage(again, "ppo", settings) == 0
    assert same_weights(straight, again)
    checkpoint = newest_checkpoint(straight / "checkpoints")
    assert checkpoint is not None
    held = {name for name in checkpoint.tensors if name.startswith(("policy/", "value/"))}
    assert held
    assert all("/lora." in name or "/head." in name for name in held)  # the base is not saved again


@pytest.mark.parametrize("stage", ["sft", "dpo"])
def test_other_stages_train_adapters_too(stage: str, base_folder: Path, tmp_path: Path) -> None:
    prepare = prepare_sft if stage == "sft" else prepare_reward
    own = {"minibatch_size": 8, "epochs": 1}
    folder = prepare(tmp_path / "run", base_folder)
    assert run_stage(folder, stage, {"lengths": LENGTHS, "optim": OPTIM, stage: own, **LORA}) == 0
    assert (folder / "model" / FOLDER).is_dir()
    loaded, _ = load_policy(str(folder / "model"), key="k", device=CPU)
    assert loaded.lora is None


def test_adapters_and_sharded_weights_are_refused_together() -> None:
    with pytest.raises(ConfigError, match="adapters need parallel"):
        parse_config("sft", {**LORA, "parallel": "fsdp"})
