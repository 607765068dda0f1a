"""PPO: what must be exact is exact, what must be equal is equal, and it learns."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.rlhf.conftest import tiny_model
from tests.rlhf.stages import (
    copy_run,
    metrics,
    ppo_config,
    ppo_settings,
    prepare_ppo,
    result,
    run_stage,
    same_weights,
    weights,
)
from training.rlhf import ppo, ppo_update
from training.rlhf.batching import right_pad
from training.rlhf.errors import RunRefusedError
from training.rlhf.model import load_reward_model, save_policy
from training.rlhf.packing import text_loss
from training.rlhf.rollout import Kept
from training.rlhf.runtime import Run
from training.rlhf.tokenizer import Codec, require_same_tokens

PTX = {"inputs": {"pretrain": "inputs/pretrain"}}


@pytest.fixture
def prepared(tmp_path: Path, base_folder: Path) -> Path:
    return prepare_ppo(tmp_path / "prepared", base_folder)


def test_ratio_is_exactly_1_on_the_first_minibatch_and_kl_0_at_the_start(prepared: Path) -> None:
    assert run_stage(prepared, "ppo", ppo_settings()) == 0
    assert metrics(prepared, "ppo/ratio_first") == [0.0] * 4
    assert metrics(prepared, "objective/kl")[0] == 0.0
    assert metrics(prepared, "objective/kl")[-1] != 0.0
    assert max(metrics(prepared, "ppo/ratio_max")) > 0.0
    assert result(prepared)["state"] == "finished"
    assert json.loads((prepared / "model/instructloop.json").read_text())["kind"] == "ppo"
    samples = [json.loads(line) for line in (prepared / "samples.jsonl").read_text().splitlines()]
    assert {"step", "prompt", "response", "score"} == samples[0].keys()


def test_ptx_coefficient_0_is_ppo_bit_for_bit(prepared: Path, tmp_path: Path) -> None:
    with_text = copy_run(prepared, tmp_path / "text")
    with_ptx = copy_run(prepared, tmp_path / "ptx")
    assert run_stage(prepared, "ppo", ppo_settings()) == 0
    assert run_stage(with_text, "ppo", {**ppo_settings(ptx_coef=0.0), **PTX}) == 0
    assert same_weights(prepared, with_text)
    assert run_stage(with_ptx, "ppo", {**ppo_settings(ptx_coef=1.0), **PTX}) == 0
    assert not same_weights(prepared, with_ptx)
    assert metrics(with_ptx, "loss/ptx")


def test_resumed_run_equals_a_straight_one_bit_for_bit(prepared: Path, tmp_path: Path) -> None:
    straight, stopped = copy_run(prepared, tmp_path / "straight"), copy_run(prepared, tmp_path / "stopped")
    settings = {**ppo_settings(ptx_coef=0.5, ema_decay=0.9, inner_epochs=2), **PTX}
    settings["report"] = {"checkpoint_every": 1}
    assert run_stage(straight, "ppo", settings) == 0
    assert run_stage(stopped, "ppo", settings) == 0
    # Take the finished run back to its second checkpoint, as a crash after iteration 2 would have left it.
    kept = sorted((stopped / "checkpoints").iterdir())
    assert [path.name for path in kept] == ["step-00000002", "step-00000003"]
    (kept[1] / "manifest.json").unlink()
    (stopped / "result.json").unlink()
    assert run_stage(stopped, "ppo", settings) == 0
    assert same_weights(straight, stopped)
    assert (
        metrics(straight, "loss/policy")
        == metrics(stopped, "loss/policy")[:2] + metrics(stopped, "loss/policy")[-2:]
    )


@pytest.mark.parametrize(("kept", "dtype"), [(1, "float32"), (2, "float32"), (2, "bfloat16")])
def test_a_kept_scoring_pass_trains_bit_for_bit_what_a_second_one_does(
    prepared: Path, tmp_path: Path, kept: int, dtype: str
) -> None:
    keeping, repeating = copy_run(prepared, tmp_path / "keeping"), copy_run(prepared, tmp_path / "repeating")
    passes: dict[Path, int] = {}
    for folder, number in ((keeping, kept), (repeating, 0)):
        settings = ppo_settings(
            inner_epochs=2, value_warmup_iterations=1, ptx_coef=0.5, kept_microbatches=number
        )
        with pytest.MonkeyPatch.context() as patch:
            counted = count_calls(patch, ppo_update, "token_logprobs", "token_values")
            assert run_stage(folder, "ppo", {**settings, **PTX, "dtype": dtype}) == 0
            passes[folder] = len(counted)
    assert same_weights(keeping, repeating)
    for name in (
        "loss/policy",
        "loss/value",
        "ppo/ratio_first",
        "ppo/policy_grad_norm",
        "ppo/value_grad_norm",
    ):
        assert metrics(keeping, name) == metrics(repeating, name)
    # Four iterations of the value model, three of the policy.
    assert passes[repeating] - passes[keeping] == 7 * kept


def test_a_minibatch_keeps_no_pass_of_the_next_one(prepared: Path) -> None:
    config = ppo_config(kept_microbatches=9)
    run = Run(prepared, config)
    models, codec = ppo.load_models(config, run)
    kept: list[Kept] = []
    prompts = codec.encode_prompts(["say red", "say blue two"] * 8, 16)
    rollout = ppo.sample_rollout(models, codec, prompts, config, run, "train", 0, kept=kept)
    assert len(kept) == config.ppo.minibatch_size // config.ppo.microbatch_size == 2
    assert all(each.logprobs.requires_grad and each.values.requires_grad for each in kept)
    assert not any(x.requires_grad for x in rollout)
    for each, part in zip(kept, rollout.microbatches(config.ppo.microbatch_size), strict=False):
        assert torch.equal(each.logprobs.detach(), part.logprobs)
        assert torch.equal(each.values.detach(), part.values)


def count_calls(patch: pytest.MonkeyPatch, module: Any, *names: str) -> list[str]:
    """Note every call of some functions of a module from now on."""
    found: list[str] = []

    def counting(name: str, inner: Any) -> Any:
        def call(*given: Any) -> Any:
            found.append(name)
            return inner(*given)

        return call

    for name in names:
        patch.setattr(module, name, counting(name, getattr(module, name)))
    return found


def learner_and_rollout(
    folder: Path, **settings: float
) -> tuple[ppo_update.Learner, list[ppo_update.Microbatch], Run]:
    config = ppo_config(**settings)
    run = Run(folder, config)
    models, codec = ppo.load_models(config, run)
    learner = ppo_update.make_learner(models, config)
    prompts = codec.encode_prompts([f"say {word}" for word in ("red", "blue two", "cat", "dog sun") * 2], 16)
    rollout = ppo.sample_rollout(models, codec, prompts, config, run, "train", 0)
    advantages = torch.randn(rollout.tokens.shape, generator=torch.Generator().manual_seed(0))
    tokens = int(rollout.response_mask.sum())
    parts = []
    for some in torch.split(torch.arange(8), config.ppo.microbatch_size):
        part = rollout.select(some)
        width = part.tokens.shape[1]
        weight = int(part.response_mask.sum()) / tokens
        parts.append(ppo_update.Microbatch(part, advantages[some, :width], advantages[some, :width], weight))
    return learner, parts, run


def gradients(
    learner: ppo_update.Learner, parts: list[ppo_update.Microbatch], run: Run, **settings: float
) -> list[torch.Tensor]:
    """Gradients a policy step would use, taken off the parameters in place of stepping."""
    taken: list[torch.Tensor] = []

    def take(*_: object) -> float:
        taken.extend(p.grad.clone() for p in learner.policy.parameters() if p.grad is not None)
        learner.policy.zero_grad()
        return 0.0

    config = ppo_config(**settings)
    _, codec = ppo.load_models(config, run)
    pretraining = ppo.load_pretraining(config, run, codec, learner.policy)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ppo_update, "take_step", take)
        ppo_update.policy_step(learner, parts, pretraining, config, run, 0)
    return taken


def test_gradient_does_not_depend_on_the_microbatch_size(prepared: Path) -> None:
    found = []
    for size in (8, 4, 1):
        learner, parts, run = learner_and_rollout(prepared, microbatch_size=size)
        found.append(gradients(learner, parts, run, microbatch_size=size))
    for one, two, eight in zip(*found, strict=True):
        assert torch.allclose(one, two, atol=1e-6)
        assert torch.allclose(one, eight, atol=1e-6)


def test_ptx_adds_its_coefficient_times_the_gradient_of_the_language_loss(prepared: Path) -> None:
    learner, parts, run = learner_and_rollout(prepared)
    plain = gradients(learner, parts, run)
    mixed = gradients(learner, parts, run, ptx_coef=3.0)
    config = ppo_config(ptx_coef=3.0)
    _, codec = ppo.load_models(config, run)
    pretraining = ppo.load_pretraining(config, run, codec, learner.policy)
    assert pretraining is not None
    loss = text_loss(learner.policy, pretraining.draw(4, config.seed, "ptx", 0))
    expected = torch.autograd.grad(loss, list(learner.policy.parameters()))
    for a, b, c in zip(plain, mixed, expected, strict=True):
        assert torch.allclose(b - a, 3.0 * c, atol=1e-5)


def test_averaged_weights_follow_the_closed_form(prepared: Path) -> None:
    learner, _, _ = learner_and_rollout(prepared, ema_decay=0.9)
    name, parameter = next(iter(learner.policy.named_parameters()))
    start = learner.average[name].clone()
    with torch.no_grad():
        parameter.fill_(1.0)
    for _ in range(5):
        ppo_update.update_average(learner, 0.9)
    assert torch.allclose(learner.average[name], 0.9**5 * start + (1 - 0.9**5), atol=1e-6)


def test_every_prompt_is_drawn_once_before_any_is_drawn_again() -> None:
    config = ppo_config()
    drawn = [i for iteration in range(5) for i in ppo.prompt_order(20, config, iteration)]
    assert len(drawn) == 80
    for epoch in range(4):
        assert sorted(drawn[epoch * 20 : (epoch + 1) * 20]) == list(range(20))


def test_value_warm_up_leaves_the_policy_alone(prepared: Path, base_folder: Path) -> None:
    assert run_stage(prepared, "ppo", ppo_settings(value_warmup_iterations=4)) == 0
    before = load_file(base_folder / "model.safetensors")
    after = weights(prepared)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert metrics(prepared, "objective/kl") == [0.0] * 4
    assert metrics(prepared, "loss/value")


def test_the_value_model_starts_as_the_reward_model(prepared: Path) -> None:
    learner, _, run = learner_and_rollout(prepared)
    reward, _ = load_reward_model(str(prepared / "reward"), key="k", device=run.device)
    ids, mask = right_pad([[5, 6, 7, 8], [9, 10]])
    assert learner.value is not None
    assert torch.equal(learner.value.values(ids, mask), reward.values(ids, mask))


def test_score_rises(prepared: Path) -> None:
    settings = ppo_settings(
        iterations=12, rollout_batch_size=32, minibatch_size=8, kl_coef=0.0, missing_eos_score=-20.0
    )
    settings["optim"] = {"learning_rate": 3e-3}
    assert run_stage(prepared, "ppo", settings) == 0
    scores = metrics(prepared, "objective/score")
    assert sum(scores[-3:]) / 3 > sum(scores[:3]) / 3 + 1.0


def test_a_reward_model_without_bias_is_refused(prepared: Path) -> None:
    path = prepared / "reward/instructloop.json"
    about = json.loads(path.read_text())
    path.write_text(json.dumps({**about, "bias": None}))
    assert run_stage(prepared, "ppo", ppo_settings()) == 2
    assert "has no bias" in result(prepared)["reason"]


def test_models_of_another_tokenizer_are_refused(prepared: Path) -> None:
    config = ppo_config()
    _, codec = ppo.load_models(config, Run(prepared, config))
    other = dataclasses.replace(codec, separator=" -> ")
    with pytest.raises(RunRefusedError, match=r"inputs\.reward has another tokenizer or separator"):
        require_same_tokens(codec, other, "inputs.reward")


def test_responses_longer_than_the_context_are_refused(prepared: Path) -> None:
    settings = ppo_settings()
    settings["lengths"] = {"max_prompt_tokens": 100, "max_response_tokens": 100}
    assert run_stage(prepared, "ppo", settings) == 2
    assert "make 200, the model of inputs.policy reads 128" in result(prepared)["reason"]


def test_another_reference_than_the_start_policy_is_used(prepared: Path, codec: Codec) -> None:
    save_policy(tiny_model(codec, "llama", seed=9), codec, prepared / "inputs/reference", {"kind": "sft"})
    settings = {**ppo_settings(iterations=1), "inputs": {"reference": "inputs/reference"}}
    assert run_stage(prepared, "ppo", settings) == 0
    assert metrics(prepared, "objective/kl")[0] > 0.0
