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
    CPU,
    copy_run,
    metrics,
    padded,
    ppo_config,
    ppo_settings,
    prepare_ppo,
    ragged,
    result,
    run_stage,
    same_weights,
    weights,
)
from training.rlhf import ppo, ppo_update
from training.rlhf.batching import right_pad
from training.rlhf.checkpoint import trained_state
from training.rlhf.config import PpoConfig
from training.rlhf.errors import RunRefusedError
from training.rlhf.model import load_policy, load_reward_model, save_policy
from training.rlhf.rollout import Kept, Models
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


@pytest.mark.parametrize("kept", [0, 1])
def test_ratio_is_exactly_1_at_a_temperature_of_its_own(prepared: Path, kept: int) -> None:
    settings = ppo_settings(temperature=0.7, kept_microbatches=kept, iterations=2)
    assert run_stage(prepared, "ppo", settings) == 0
    assert metrics(prepared, "ppo/ratio_first") == [0.0] * 2
    assert min(metrics(prepared, "ppo/ratio_max")) > 0.0


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


def test_the_policy_warms_up_after_the_value_model_has(prepared: Path) -> None:
    assert run_stage(prepared, "ppo", ppo_settings(value_warmup_iterations=2)) == 0
    # Two steps an iteration, two of warm-up from a tenth: 1e-4 and 5.5e-4, then the peak.
    assert metrics(prepared, "optim/learning_rate") == pytest.approx([3.25e-4, 1e-3])
    assert metrics(prepared, "optim/value_learning_rate") == pytest.approx([3.25e-4, 1e-3, 1e-3, 1e-3])


def test_the_value_model_starts_as_the_reward_model(prepared: Path) -> None:
    config = ppo_config()
    run = Run(prepared, config)
    models, _ = ppo.load_models(config, run)
    reward, _ = load_reward_model(str(prepared / "reward"), key="k", device=run.device)
    ids, mask = right_pad([[5, 6, 7, 8], [9, 10]])
    assert models.value is not None
    assert torch.equal(models.value.values(ids, mask), reward.values(ids, mask))


def test_a_response_without_end_teaches_with_its_capped_score(prepared: Path, tmp_path: Path) -> None:
    free, capped = copy_run(prepared, tmp_path / "free"), copy_run(prepared, tmp_path / "capped")
    assert run_stage(free, "ppo", ppo_settings(iterations=1)) == 0
    assert run_stage(capped, "ppo", ppo_settings(iterations=1, missing_eos_score=-50.0)) == 0
    config = ppo_config()
    run = Run(prepared, config)
    models, codec = ppo.load_models(config, run)
    texts = ppo.load_texts(config, run, codec)
    chosen = [texts.train[i] for i in ppo.prompt_order(len(texts.train), config, 0)]
    rollout = ppo.sample_rollout(models, codec, chosen, config, run, "train", 0)
    assert not rollout.ended.all()
    assert metrics(free, "objective/score") == [pytest.approx(float(rollout.scores.mean()))]
    expected = torch.where(rollout.ended, rollout.scores, torch.tensor(-50.0))
    assert metrics(capped, "objective/score") == [pytest.approx(float(expected.mean()))]
    # Held-out answers have the model's own score, so that it stands beside the gold one's.
    assert min(metrics(capped, "valid/score")) > -10
    assert not same_weights(free, capped)


def test_advantages_are_whitened_over_real_tokens_only(prepared: Path) -> None:
    config = ppo_config()
    run = Run(prepared, config)
    models, codec = ppo.load_models(config, run)
    prompts = codec.encode_prompts(["say red", "say blue two", "cat", "dog sun"] * 2, 16)
    rollout = ragged(ppo.sample_rollout(models, codec, prompts, config, run, "train", 0))
    mask = rollout.response_mask
    assert 0 < int((~mask).sum()) < mask.numel()
    raw, _ = ppo.estimate_advantages(rollout, 0.1, config)
    white = ppo.weighed_advantages(raw, rollout, config)
    assert white[mask].mean().item() == pytest.approx(0.0, abs=1e-6)
    assert white[mask].std(correction=0).item() == pytest.approx(1.0, abs=1e-5)
    wide = padded(rollout, 5)
    raw_wide, _ = ppo.estimate_advantages(wide, 0.1, config)
    again = ppo.weighed_advantages(raw_wide, wide, config)
    assert torch.allclose(again[:, : mask.shape[1]], white, atol=1e-6)
    assert (again[:, mask.shape[1] :] == 0).all()


def test_the_averaged_weights_are_those_that_are_saved(prepared: Path, tmp_path: Path) -> None:
    last = copy_run(prepared, tmp_path / "last")
    assert run_stage(last, "ppo", ppo_settings(iterations=2)) == 0
    made: list[ppo_update.Learner] = []

    def make(models: Models, config: PpoConfig) -> ppo_update.Learner:
        made.append(ppo_update.make_learner(models, config))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ppo, "make_learner", make)
        assert run_stage(prepared, "ppo", ppo_settings(iterations=2, ema_decay=0.9)) == 0
    steps = [json.loads(line)["step"] for line in (prepared / "samples.jsonl").read_text().splitlines()]
    saved, _ = load_policy(str(prepared / "model"), key="k", device=CPU)
    found = trained_state(saved)
    assert found.keys() == made[0].average.keys()
    assert all(torch.equal(x, made[0].average[name]) for name, x in found.items())
    # They are what the last measures and samples describe, and earlier ones are of the weights of their time.
    config = ppo_config(iterations=2, ema_decay=0.9)
    run = Run(prepared, config)
    models, codec = ppo.load_models(config, run)
    texts = ppo.load_texts(config, run, codec)
    held_out = ppo.sample_rollout(models._replace(policy=saved), codec, texts.valid, config, run, "valid", 0)
    assert result(prepared)["metrics"]["valid/score"] == pytest.approx(float(held_out.scores.mean()))
    assert result(prepared)["metrics"]["valid/kl"] == pytest.approx(float(held_out.kl().mean()), abs=1e-6)
    assert metrics(prepared, "valid/kl")[-1] != metrics(last, "valid/kl")[-1]
    assert steps == sorted(steps)
    assert steps.count(2) == len(texts.watched[: config.report.sample_count])
    # The average takes no part in training: the run without one ends at the last weights, which are others.
    assert metrics(prepared, "loss/policy") == metrics(last, "loss/policy")
    assert not same_weights(prepared, last)


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
