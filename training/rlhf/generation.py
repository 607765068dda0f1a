"""Sample responses: one pass over a prompt for all its samples, then token by token from the cache.

The whole vocabulary is sampled, exactly: top-k, top-p and minimum lengths would make the sampler differ from
the policy whose log-probabilities PPO uses. One uniform number per row and token is looked up in the
cumulative distribution, which is the same distribution as torch.multinomial and far cheaper. A row's numbers
depend on its own seed only, not on which rows share its batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from training.rlhf.batching import derive_seed, left_pad
from training.rlhf.body import new_cache
from training.rlhf.model import LanguageModel

COMPACT_BELOW = 0.85


class Generated(NamedTuple):
    """Sampled responses, rows in the order prompt 0 sample 0, prompt 0 sample 1, ...

    tokens    (N, R) int    0 on padding; the end token is the last real token of a response that ended
    mask      (N, R) bool   True = real token
    logprobs  (N, R) float  nats at the sampling temperature, 0 on padding (greedy: at temperature 1)
    ended     (N,)   bool   True = the end token came before the length limit
    """

    tokens: Tensor
    mask: Tensor
    logprobs: Tensor
    ended: Tensor

    def rows(self) -> list[list[int]]:
        """List the real ids of every response."""
        return [row[kept].tolist() for row, kept in zip(self.tokens, self.mask, strict=True)]


def sample_tokens(logits: Tensor, temperature: float, uniforms: Tensor) -> tuple[Tensor, Tensor]:
    """Draw one token from each distribution.

    logits       (N, V) float
    temperature  divides the logits; 0 takes the likeliest token
    uniforms     (N,)   float64 in [0, 1)
    returns      tokens (N,) int and their log-probabilities (N,) float32, nats
    """
    logp = (logits.float() / (temperature or 1.0)).log_softmax(dim=-1)
    if temperature == 0:
        tokens = logp.argmax(dim=-1)
    else:
        # float64, so that the tail of a large vocabulary keeps its probability.
        cumulative = logp.double().exp().cumsum(dim=-1)
        threshold = (uniforms * cumulative[:, -1]).unsqueeze(-1)
        tokens = torch.searchsorted(cumulative, threshold, right=True).squeeze(-1)
        tokens = tokens.clamp(max=logits.shape[-1] - 1)
    return tokens, logp.gather(-1, tokens.unsqueeze(-1)).squeeze(-1)


def row_uniforms(rows: int, width: int, *seed: int | str) -> Tensor:
    """Draw the uniform numbers of each row from a generator of its own: (rows, width) float64."""
    draws = torch.empty(rows, width, dtype=torch.float64)
    source = torch.Generator()
    for row in range(rows):
        source.manual_seed(derive_seed(*seed, row))
        draws[row].uniform_(generator=source)
    return draws


@torch.no_grad()
def generate(
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
    """Sample n responses to each prompt.

    prompts     B lists of ids, the separator included
    n           responses per prompt
    max_tokens  longest response, its end token included
    uniforms    (B * n, max_tokens) float64 in [0, 1), from row_uniforms
    on_token    called with the number of real tokens of each step, for progress
    returns     Generated with B * n rows; R is the longest response
    """
    device = next(model.parameters()).device
    if device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        # One query at a time, bfloat16 attention is several times slower than float32 on a CPU.
        with torch.autocast("cpu", enabled=False):
            return generate(
                model,
                prompts,
                n=n,
                max_tokens=max_tokens,
                eos_id=eos_id,
                temperature=temperature,
                uniforms=uniforms,
                on_token=on_token,
            )
    total = len(prompts) * n
    uniforms = uniforms.to(device)
    ids, prompt_mask = (x.to(device) for x in left_pad(prompts))
    cache = new_cache()
    last = model.hidden(ids, prompt_mask, cache)[:, -1]
    logits = model.logits(last).repeat_interleave(n, dim=0)
    if n > 1:
        cache.batch_repeat_interleave(n)
    seen = prompt_mask.repeat_interleave(n, dim=0)

    tokens = torch.zeros(total, max_tokens, dtype=torch.long, device=device)
    mask = torch.zeros(total, max_tokens, dtype=torch.bool, device=device)
    logprobs = torch.zeros(total, max_tokens, device=device)
    rows = torch.arange(total, device=device)  # which response each row of the cache belongs to
    alive = torch.ones(total, dtype=torch.bool, device=device)  # rows of the cache that go on
    for t in range(max_tokens):
        drawn, logp = sample_tokens(logits, temperature, uniforms[rows, t])
        going = rows[alive]
        tokens[going, t], logprobs[going, t], mask[going, t] = drawn[alive], logp[alive], True
        on_token(len(going))
        alive &= drawn != eos_id
        count = int(alive.sum())
        if count == 0 or t + 1 == max_tokens:
            break
        if count < COMPACT_BELOW * len(rows):
            kept = alive.nonzero().squeeze(-1)
            cache.batch_select_indices(kept)
            rows, seen, drawn, alive = rows[kept], seen[kept], drawn[kept], alive[kept]
        one = torch.ones(len(rows), 1, dtype=torch.bool, device=device)
        logits = model.logits(model.hidden(drawn.unsqueeze(-1), one, cache, seen)[:, -1])
        seen = torch.cat([seen, one], dim=1)
    width = int(mask.sum(dim=1).max())
    ended = ((tokens == eos_id) & mask).any(dim=1)
    return Generated(tokens[:, :width], mask[:, :width], logprobs[:, :width], ended)
