"""Who writes the responses of a rollout, and what follows when that is not the model that is trained.

A sampler has the signature of `generation.generate`, which is the usual one. Another precision or another
program (vLLM) samples from probabilities that differ a little from those of the training forward pass, even
with the same weights. The ratio of PPO stays that of training to training, and every token's advantage is
weighed by min(p / q, cap), p the training forward's probability and q the sampler's: truncated importance
sampling, which leaves the expected gradient as it should be where the cap is not reached. With our own
sampler in float32 both are equal to rounding, and nothing is weighed.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from training.rlhf.config import PpoConfig
from training.rlhf.errors import RunRefusedError
from training.rlhf.generation import Generated, generate
from training.rlhf.masking import masked_mean
from training.rlhf.model import LanguageModel, merged_state

VLLM_MEMORY = 0.35  # of the GPU; the models in training need the rest


class Sampler(Protocol):
    """What samples n responses to each prompt; see `generation.generate`."""

    def __call__(
        self,
        model: LanguageModel,
        prompts: Sequence[Sequence[int]],
        *,
        n: int,
        max_tokens: int,
        eos_id: int,
        temperature: float,
        uniforms: Tensor,
        on_token: Callable[[int], None] = ...,
    ) -> Generated:
        """Sample; log-probabilities are those of the distribution that was sampled from."""


def make_sampler(config: PpoConfig, policy: str) -> Sampler:
    """Choose the sampler that a config asks for; policy is the folder the run starts from."""
    if config.ppo.sampler == "vllm":
        return VllmSampler(policy, config)
    return in_bfloat16 if config.ppo.sampler_dtype == "bfloat16" else generate


def in_bfloat16(
    model: LanguageModel, prompts: Sequence[Sequence[int]], *, uniforms: Tensor, **given: Any
) -> Generated:
    """Sample with weights in bfloat16, whatever precision the run has."""
    with torch.autocast(_device_of(model).type, torch.bfloat16):
        return generate(model, prompts, uniforms=uniforms, **given)


def _device_of(model: LanguageModel) -> torch.device:
    """Where a model is."""
    return next(model.parameters()).device


def needs_weights(config: PpoConfig) -> bool:
    """Whether the sampler's probabilities differ from training's, and the difference is to be corrected."""
    same = config.ppo.sampler == "own" and config.ppo.sampler_dtype == "same" and config.dtype == "float32"
    return not same and config.ppo.sampler_weight_cap > 0


def token_weights(logprobs: Tensor, sampled_logprobs: Tensor, mask: Tensor, cap: float) -> Tensor:
    """Weigh every token by min(p / q, cap): (B, R) float, 0 on padding.

    logprobs          (B, R) float  log p, of the training forward pass
    sampled_logprobs  (B, R) float  log q, of the sampler
    """
    return (logprobs - sampled_logprobs).exp().clamp(max=cap) * mask


def mismatch_metrics(
    logprobs: Tensor, sampled_logprobs: Tensor, mask: Tensor, cap: float
) -> dict[str, float]:
    """Describe how far sampler and training are apart; arguments as of token_weights."""
    log_ratio = logprobs - sampled_logprobs
    ratio = log_ratio.exp()
    found = {
        "sampler/kl": float(masked_mean(ratio - 1 - log_ratio, mask)),
        "sampler/furthest": float((log_ratio.abs() * mask).max()),
    }
    if cap > 0:
        found["sampler/capped_fraction"] = float(masked_mean((ratio > cap).float(), mask))
    return found


class VllmSampler:
    """vLLM in this process, on the same GPU; the policy's weights are handed over before every rollout.

    Its settings take everything away that would change the distribution: no top-k, top-p, minimum length or
    penalties, and log-probabilities after the temperature. Responses depend on the seeds of their prompts,
    but not bit for bit on these alone, as vLLM's do not.
    """

    def __init__(self, policy: str, config: PpoConfig) -> None:
        # Otherwise the engine is a process of its own, which our weights would have to be sent to.
        os.environ.setdefault("VLLM_ENABLE_V1_MULTIPROCESSING", "0")
        try:
            vllm: Any = importlib.import_module("vllm")
        except ImportError:
            raise RunRefusedError(
                "ppo.sampler is vllm but vllm is not installed; install it beside torch, or set it to own."
            ) from None
        self._vllm = vllm
        self._engine = vllm.LLM(
            model=policy,
            dtype=config.dtype,
            max_model_len=config.lengths.max_prompt_tokens + config.lengths.max_response_tokens,
            gpu_memory_utilization=VLLM_MEMORY,
            skip_tokenizer_init=True,
            enable_prefix_caching=False,
            generation_config="vllm",
            logprobs_mode="processed_logprobs",
            seed=config.seed,
        )

    def __call__(
        self,
        model: LanguageModel,
        prompts: Sequence[Sequence[int]],
        *,
        n: int,
        max_tokens: int,
        eos_id: int,
        temperature: float,
        uniforms: Tensor,
        on_token: Callable[[int], None] = lambda _: None,
    ) -> Generated:
        self._hand_over(model)
        seeds = (uniforms[::n, 0] * 2**31).long().tolist()
        settings = [
            self._vllm.SamplingParams(
                n=n, temperature=temperature, top_p=1.0, top_k=-1, max_tokens=max_tokens, seed=seed,
                stop_token_ids=[eos_id], ignore_eos=True, logprobs=0, detokenize=False,
            )
            for seed in seeds
        ]  # fmt: skip
        asked = [{"prompt_token_ids": list(prompt)} for prompt in prompts]
        answers = self._engine.generate(asked, settings, use_tqdm=False)
        written = [one for answer in answers for one in sorted(answer.outputs, key=lambda x: x.index)]
        on_token(sum(len(one.token_ids) for one in written))
        return _as_generated(written, eos_id, _device_of(model))

    def _hand_over(self, model: LanguageModel) -> None:
        weights = list(merged_state(model.causal, model.lora).items())
        self._engine.apply_model(lambda engine: engine.load_weights(iter(weights)))


def _as_generated(written: Sequence[Any], eos_id: int, device: torch.device) -> Generated:
    width = max(len(one.token_ids) for one in written)
    tokens = torch.zeros(len(written), width, dtype=torch.long)
    mask, logprobs = torch.zeros(len(written), width, dtype=torch.bool), torch.zeros(len(written), width)
    for row, one in enumerate(written):
        ids = list(one.token_ids)
        tokens[row, : len(ids)], mask[row, : len(ids)] = torch.tensor(ids), True
        said = [at[token].logprob for at, token in zip(one.logprobs, ids, strict=True)]
        logprobs[row, : len(ids)] = torch.tensor(said)
    ended = ((tokens == eos_id) & mask).any(dim=1)
    return Generated(tokens.to(device), mask.to(device), logprobs.to(device), ended.to(device))
