"""A sampler that is not quite the policy: the mismatch is measured, and corrected in expectation."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from tests.rlhf.conftest import tiny_model
from tests.rlhf.stages import metrics, ppo_settings, prepare_ppo, result, run_stage, same_weights
from training.rlhf.config import ConfigError, PpoConfig, parse_config
from training.rlhf.errors import RunRefusedError
from training.rlhf.generation import generate, row_uniforms
from training.rlhf.lora import Lora
from training.rlhf.model import LanguageModel
from training.rlhf.rollout import Models, collect_rollout
from training.rlhf.samplers import (
    VllmSampler,
    in_bfloat16,
    make_sampler,
    mismatch_metrics,
    needs_weights,
    token_weights,
)
from training.rlhf.sections import LoraSettings
from training.rlhf.tokenizer import Codec

PROMPTS = [[5, 6, 7], [8]] * 4
GIVEN: dict[str, Any] = {"n": 1, "max_tokens": 6, "temperature": 1.0}


def config(**ppo: Any) -> PpoConfig:
    found = parse_config("ppo", ppo_settings(**ppo))
    assert isinstance(found, PpoConfig)
    return found


def test_weights_are_the_ratio_of_probabilities_up_to_the_cap() -> None:
    trained = torch.tensor([[0.5, 0.2, 0.9]]).log()
    sampled = torch.tensor([[0.25, 0.4, 0.1]]).log()
    mask = torch.tensor([[True, True, True]])
    assert token_weights(trained, sampled, mask, 3.0).tolist() == [pytest.approx([2.0, 0.5, 3.0])]
    assert token_weights(trained, sampled, ~mask, 3.0).tolist() == [[0.0, 0.0, 0.0]]
    found = mismatch_metrics(trained, sampled, mask, 3.0)
    assert found["sampler/capped_fraction"] == pytest.approx(1 / 3)
    assert found["sampler/furthest"] == pytest.approx(2.1972, abs=1e-3)
    assert found["sampler/kl"] > 0


def test_weighted_samples_of_another_distribution_have_the_policys_mean() -> None:
    """What the correction is for: E_q[p / q f] = E_p[f]; without it the mean is the sampler's."""
    p, q = torch.tensor([0.5, 0.3, 0.2]), torch.tensor([0.4, 0.3, 0.3])
    values = torch.tensor([1.0, 2.0, 4.0])
    drawn = torch.multinomial(q, 200_000, replacement=True, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(1, len(drawn), dtype=torch.bool)
    weights = token_weights(p.log()[drawn].unsqueeze(0), q.log()[drawn].unsqueeze(0), mask, 2.0)
    assert float((weights[0] * values[drawn]).mean()) == pytest.approx(float(p @ values), abs=0.01)
    assert float(values[drawn].mean()) == pytest.approx(float(q @ values), abs=0.01)


def test_our_own_sampler_in_float32_agrees_with_training(codec: Codec, shape: str) -> None:
    model = tiny_model(codec, shape)
    uniforms = row_uniforms(len(PROMPTS), 6, 1)
    for sampler, least, most in ((generate, 0.0, 1e-4), (in_bfloat16, 1e-4, 0.5)):
        made = collect_rollout(
            Models(model), codec, PROMPTS, max_tokens=6, temperature=1.0, microbatch_size=4,
            uniforms=uniforms, sampler=sampler,
        )  # fmt: skip
        found = mismatch_metrics(made.logprobs, made.sampled_logprobs, made.response_mask, 2.0)
        assert least <= found["sampler/furthest"] <= most
        assert found["sampler/kl"] < 1e-2


def test_ppo_runs_with_a_sampler_of_another_precision(base_folder: Path, tmp_path: Path) -> None:
    plain, weighed, unweighed = (prepare_ppo(tmp_path / name, base_folder) for name in ("a", "b", "c"))
    assert run_stage(plain, "ppo", ppo_settings(iterations=2)) == 0
    assert metrics(plain, "sampler/furthest")[0] < 1e-4
    settings = ppo_settings(iterations=2, sampler_dtype="bfloat16")
    assert run_stage(weighed, "ppo", settings) == 0, result(weighed)
    assert metrics(weighed, "sampler/furthest")[0] > 1e-4
    assert metrics(weighed, "ppo/ratio_first") == pytest.approx([0, 0], abs=1e-6)  # training to training
    settings = ppo_settings(iterations=2, sampler_dtype="bfloat16", sampler_weight_cap=0.0)
    assert run_stage(unweighed, "ppo", settings) == 0
    assert not same_weights(weighed, unweighed)


def test_only_a_sampler_that_differs_is_corrected() -> None:
    assert not needs_weights(config())
    assert needs_weights(config(sampler_dtype="bfloat16"))
    assert not needs_weights(config(sampler_dtype="bfloat16", sampler_weight_cap=0.0))
    assert needs_weights(config(sampler="vllm"))
    assert make_sampler(config(), "") is generate


class Logprob(NamedTuple):
    logprob: float


def fake_vllm(policy: LanguageModel) -> types.ModuleType:
    """vLLM's interface as documented, over a model of its own that answers in bfloat16."""

    class Engine:
        def __init__(self) -> None:
            self.handed: dict[str, Tensor] = {}

        def load_weights(self, weights: Any) -> None:
            self.handed = dict(weights)
            state = {name: self.handed[name] for name in policy.causal.state_dict()}
            policy.causal.load_state_dict(state)

    class SamplingParams:
        def __init__(self, **given: Any) -> None:
            self.given = given

    class LLM:
        def __init__(self, **given: Any) -> None:
            self.given, self.engine = given, Engine()

        def apply_model(self, function: Any) -> list[Any]:
            return [function(self.engine)]

        def generate(self, asked: Any, settings: Any, use_tqdm: bool) -> list[Any]:
            assert not use_tqdm
            answers = []
            for one, given in zip(asked, (x.given for x in settings), strict=True):
                assert given["top_p"] == 1.0
                assert given["top_k"] == -1
                made = in_bfloat16(
                    policy, [one["prompt_token_ids"]], n=given["n"], max_tokens=given["max_tokens"],
                    eos_id=given["stop_token_ids"][0], temperature=given["temperature"],
                    uniforms=row_uniforms(given["n"], given["max_tokens"], given["seed"]),
                )  # fmt: skip
                outputs = []
                for i, ids in enumerate(made.rows()):
                    said = [{t: Logprob(float(made.logprobs[i, at]))} for at, t in enumerate(ids)]
                    outputs.append(types.SimpleNamespace(index=i, token_ids=tuple(ids), logprobs=said))
                answers.append(types.SimpleNamespace(outputs=outputs[::-1]))  # any order
            return answers

    module = types.ModuleType("vllm")
    module.LLM, module.SamplingParams = LLM, SamplingParams  # type: ignore[attr-defined]
    return module


def test_vllm_gets_the_weights_and_its_answers_become_a_rollout(
    codec: Codec, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, inside = tiny_model(codec, shape), tiny_model(codec, shape, seed=9)
    model.adapt(Lora(model.body.module, LoraSettings(rank=2), seed=0))
    assert model.lora
    with torch.no_grad():
        for x in model.lora.up.values():
            x.add_(0.05)
    monkeypatch.setitem(sys.modules, "vllm", fake_vllm(inside))
    sampler = VllmSampler("folder", config(sampler="vllm"))
    made = collect_rollout(
        Models(model), codec, PROMPTS, max_tokens=6, temperature=0.7, microbatch_size=4,
        uniforms=row_uniforms(len(PROMPTS), 6, 1), sampler=sampler,
    )  # fmt: skip
    assert len(made.tokens) == len(PROMPTS)
    found = mismatch_metrics(made.logprobs, made.sampled_logprobs, made.response_mask, 2.0)
    assert 0 < found["sampler/furthest"] < 0.5  # its weights were other ones before
    assert found["sampler/kl"] < 1e-2
    weight = next(iter(model.lora._places.values())).layer.weight
    name = next(name for name, x in model.causal.named_parameters() if x is weight)
    assert torch.allclose(inside.causal.state_dict()[name], model.lora.merged(weight))  # merged


def test_several_responses_of_a_prompt_stand_behind_each_other(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model(codec, "llama")
    monkeypatch.setitem(sys.modules, "vllm", fake_vllm(tiny_model(codec, "llama")))
    sampler = VllmSampler("folder", config(sampler="vllm"))
    made = sampler(
        model, PROMPTS[:2], n=3, max_tokens=6, eos_id=codec.eos_id, temperature=1.0,
        uniforms=row_uniforms(6, 6, 1),
    )  # fmt: skip
    assert len(made.tokens) == 6
    assert made.mask.any(dim=1).all()
    assert (made.logprobs[~made.mask] == 0).all()


def test_vllm_that_is_not_installed_is_refused_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(RunRefusedError, match="vllm is not installed"):
        make_sampler(config(sampler="vllm"), "folder")
    with pytest.raises(ConfigError, match="vllm takes 1"):
        parse_config("ppo", {**ppo_settings(sampler="vllm"), "processes": 2})
