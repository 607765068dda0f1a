"""Bugs that other trainers of language models had, and that no test elsewhere here would catch.

docs/correctness.md lists every one with the test that stands against it; that list is checked here as well.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from tests.rlhf.conftest import tiny_model
from tests.rlhf.stages import (
    copy_run,
    metrics,
    padded,
    ppo_config,
    ppo_settings,
    prepare_ppo,
    ragged,
    run_stage,
    same_weights,
)
from training.rlhf import ppo, sft
from training.rlhf.advantages import penalized_rewards
from training.rlhf.config import ConfigError, SftConfig, parse_config
from training.rlhf.data import Demonstration
from training.rlhf.generation import generate, row_uniforms
from training.rlhf.model import save_policy
from training.rlhf.rollout import Models, Rollout, collect_rollout, token_logprobs
from training.rlhf.tokenizer import Codec

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/correctness.md"


def rollout_of(codec: Codec, shape: str = "llama", temperature: float = 1.0) -> tuple[Models, Rollout]:
    models = Models(tiny_model(codec, shape), tiny_model(codec, shape, seed=3))
    prompts = codec.encode_prompts(["say red", "say blue two three", "cat"], 16)
    rollout = collect_rollout(
        models,
        codec,
        prompts,
        max_tokens=8,
        temperature=temperature,
        microbatch_size=2,
        uniforms=row_uniforms(3, 8, 0, "bugs"),
    )
    return models, rollout


@pytest.mark.parametrize("limit", [1, 2, 8])
def test_every_example_keeps_a_supervised_token_however_it_is_cut(codec: Codec, limit: int) -> None:
    lengths = {"max_prompt_tokens": 12, "max_response_tokens": limit}
    config = parse_config("sft", {"lengths": lengths})
    assert isinstance(config, SftConfig)
    rows = [Demonstration("a", "say " * 50, "red " * 50), Demonstration("b", "", "")]
    for example in sft.encode(rows, codec, config):
        assert 0 < example.supervised_from < len(example.ids)


def test_dropout_of_the_start_policy_is_off_in_ppo(codec: Codec, base_folder: Path, tmp_path: Path) -> None:
    save_policy(tiny_model(codec, "gpt2"), codec, tmp_path / "gpt2", {"kind": "sft"})
    path = tmp_path / "gpt2/config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "resid_pdrop": 0.5, "attn_pdrop": 0.5, "embd_pdrop": 0.5}))
    folder = prepare_ppo(tmp_path / "run", tmp_path / "gpt2")
    assert run_stage(folder, "ppo", ppo_settings(iterations=2)) == 0
    assert metrics(folder, "ppo/ratio_first") == [0.0, 0.0]


@pytest.mark.parametrize("key", ["top_k", "top_p", "min_new_tokens", "repetition_penalty"])
def test_sampling_from_less_than_the_whole_distribution_cannot_be_asked_for(key: str) -> None:
    for stage in ("ppo", "sample", "evaluate"):
        with pytest.raises(ConfigError, match="is not a known setting"):
            parse_config(stage, {stage: {key: 1}})


def test_sampler_and_trainer_agree_at_a_temperature_of_their_own(codec: Codec, shape: str) -> None:
    model = tiny_model(codec, shape)
    _, rollout = rollout_of(codec, shape, temperature=0.7)
    made = generate(
        model,
        codec.encode_prompts(["say red", "say blue two three", "cat"], 16),
        n=1,
        max_tokens=8,
        eos_id=codec.eos_id,
        temperature=0.7,
        uniforms=row_uniforms(3, 8, 0, "bugs"),
    )
    assert torch.equal(made.tokens, rollout.tokens)
    assert torch.allclose(made.logprobs, rollout.logprobs, atol=1e-4)
    again = token_logprobs(model, rollout, 0.7)
    assert torch.allclose(again, rollout.logprobs, atol=1e-5)


def test_no_metric_sees_padding(codec: Codec) -> None:
    _, rollout = rollout_of(codec)
    random = torch.Generator().manual_seed(1)
    raw, returns, values, moved = (torch.randn(rollout.tokens.shape, generator=random) for _ in range(4))
    rollout = ragged(rollout._replace(values=values, sampled_logprobs=rollout.logprobs - 0.3 * moved))
    real = rollout.response_mask
    assert 0 < int((~real).sum()) < real.numel()
    described = [
        ppo.iteration_metrics(made, F.pad(raw, (0, more), value=7.0), F.pad(returns, (0, more)), 0.1, config)
        for config in [ppo_config(sampler_weight_cap=1.1)]
        for more, made in [(0, rollout), (5, padded(rollout, 5))]
    ]
    assert described[1] == pytest.approx(described[0], rel=1e-6)
    # What stands on padding counts for nothing either, and a row alone says what it says among others.
    junk, more_junk = (torch.where(real, x, torch.full_like(x, 9.0)) for x in (raw, returns))
    again = ppo.iteration_metrics(rollout, junk, more_junk, 0.1, ppo_config(sampler_weight_cap=1.1))
    assert again == described[0]
    tokens = real.sum(dim=1)
    alone = [ppo.rollout_metrics(rollout.select(torch.tensor([row])), 0.1) for row in range(len(tokens))]
    for name, by in (("objective/kl", torch.ones(3)), ("objective/entropy", tokens)):
        weighed = sum(found[name] * float(n) for found, n in zip(alone, by, strict=True)) / float(by.sum())
        assert described[0][name] == pytest.approx(weighed, rel=1e-5)


def test_kl_enters_once_through_the_reward_and_not_at_all_at_the_reference(codec: Codec) -> None:

    _, rollout = rollout_of(codec)
    same = rollout._replace(ref_logprobs=rollout.logprobs)
    free, _ = ppo.estimate_advantages(same, 0.0, ppo_config())
    charged, _ = ppo.estimate_advantages(same, 5.0, ppo_config())
    assert torch.equal(free, charged)
    # Away from it, the undiscounted sum of what KL takes off is kl_coef times the KL of the response, once.
    with_kl, _ = ppo.estimate_advantages(rollout, 2.0, ppo_config(lam=1.0))
    without, _ = ppo.estimate_advantages(rollout, 0.0, ppo_config(lam=1.0))
    assert torch.allclose((without - with_kl)[:, 0], 2.0 * rollout.kl(), atol=1e-4)


def test_expected_gradient_of_the_penalty_is_that_of_the_exact_kl() -> None:
    logits = torch.tensor([0.3, -0.5, 1.1], dtype=torch.float64, requires_grad=True)
    reference = torch.tensor([0.5, 0.2, -0.4], dtype=torch.float64).log_softmax(dim=0)
    logp = logits.log_softmax(dim=0)
    [exact] = torch.autograd.grad((logp.exp() * (logp - reference)).sum(), logits, retain_graph=True)
    episodes = torch.ones(3, 1, dtype=torch.bool)  # one response of one token for each of three tokens
    scores = torch.zeros(3, dtype=torch.float64)
    rewards = penalized_rewards(scores, logp.detach()[:, None], reference[:, None], episodes, 1.0)
    penalty = -rewards[:, 0]
    [expected] = torch.autograd.grad((logp.exp().detach() * penalty * logp).sum(), logits)
    assert torch.allclose(expected, exact, atol=1e-12)


def test_responses_are_neither_empty_nor_the_same_for_every_seed(codec: Codec) -> None:
    _, rollout = rollout_of(codec)
    assert int(rollout.response_mask.sum(dim=1).min()) > 0
    model = tiny_model(codec, "llama")
    prompts = codec.encode_prompts(["say red"] * 4, 16)
    made = [
        generate(
            model,
            prompts,
            n=1,
            max_tokens=8,
            eos_id=codec.eos_id,
            temperature=1.0,
            uniforms=row_uniforms(4, 8, seed),
        ).rows()
        for seed in (0, 1)
    ]
    assert made[0] != made[1]
    assert len({tuple(row) for row in made[0]}) > 1


def test_two_runs_of_one_seed_are_equal_bit_for_bit(base_folder: Path, tmp_path: Path) -> None:
    one = prepare_ppo(tmp_path / "one", base_folder)
    other = copy_run(one, tmp_path / "other")
    third = copy_run(one, tmp_path / "third")
    assert run_stage(one, "ppo", ppo_settings()) == 0
    assert run_stage(other, "ppo", ppo_settings()) == 0
    assert same_weights(one, other)
    assert run_stage(third, "ppo", {**ppo_settings(), "seed": 2}) == 0
    assert not same_weights(one, third)


def test_a_prompt_that_is_a_whole_document_is_cut_at_its_beginning(codec: Codec) -> None:
    [ids] = codec.encode_prompts(["one " * 100 + "cat"], 16)
    assert len(ids) <= 16
    assert "cat" in codec.decode(ids)


def test_every_test_that_the_list_of_bugs_names_exists() -> None:
    text = PAGE.read_text(encoding="utf-8")
    named = re.findall(r"`(test_\w+)::(test_\w+)`", text)
    assert len(named) > 40
    for module, name in named:
        source = (ROOT / "tests/rlhf" / f"{module}.py").read_text(encoding="utf-8")
        assert f"def {name}(" in source, f"{module}::{name}"
    rows = [line for line in text.splitlines() if line.startswith("| ") and "---" not in line]
    assert len(rows) >= 28 + 6 + 1
