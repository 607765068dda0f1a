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
import torch.nn.functional as F
from torch import Tensor

from training.rlhf.batching import derive_seed, left_pad
from training.rlhf.decoder import LibraryDecoder
from training.rlhf.model import LanguageModel
from training.rlhf.precision import decoding_products

BLOCK = 64


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
    scaled = logits.float()
    if temperature not in (0, 1):
        scaled = scaled / temperature
    top = scaled.amax(dim=-1, keepdim=True)
    weights = (scaled - top).exp()  # (N, V)
    # Sums of blocks first, then the one block: as exact as one cumulative sum in float64, and far cheaper.
    spare = -weights.shape[-1] % BLOCK
    blocks = (F.pad(weights, (0, spare)) if spare else weights).view(len(weights), -1, BLOCK)
    cumulative = blocks.sum(dim=-1, dtype=torch.float64).cumsum(dim=-1)
    total = cumulative[:, -1:]
    if temperature == 0:
        tokens = scaled.argmax(dim=-1)
    else:
        threshold = uniforms.unsqueeze(-1) * total
        block = torch.searchsorted(cumulative, threshold, right=True).clamp(max=cumulative.shape[-1] - 1)
        before = F.pad(cumulative, (1, 0)).gather(-1, block)
        rows = torch.arange(len(weights), device=weights.device)
        inside = blocks[rows, block.squeeze(-1)].double().cumsum(dim=-1)
        # Rounding must not lead past the last token of the block that has any probability.
        rest = torch.minimum(threshold - before, inside[:, -1:] * (1 - 1e-15))
        place = torch.searchsorted(inside, rest, right=True).clamp(max=BLOCK - 1)
        tokens = (block * BLOCK + place).squeeze(-1).clamp(max=weights.shape[-1] - 1)
    chosen = scaled.gather(-1, tokens.unsqueeze(-1)) - top
    return tokens, (chosen - total.log().float()).squeeze(-1)


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
    dtype = torch.float32
    if torch.is_autocast_enabled(device.type):
        dtype = torch.get_autocast_dtype(device.type)
    total = len(prompts) * n
    uniforms = uniforms.to(device)
    ids, prompt_mask = (x.to(device) for x in left_pad(prompts))
    tokens = torch.zeros(total, max_tokens, dtype=torch.long, device=device)
    mask = torch.zeros(total, max_tokens, dtype=torch.bool, device=device)
    logprobs = torch.zeros(total, max_tokens, device=device)
    rows = torch.arange(total, device=device)  # which response each row of the decoder belongs to
    decoder = model.decoder(dtype)
    # A copy of the weights in bfloat16 needs no autocast, which would turn them one by one at every token.
    casts = dtype != torch.float32 and device.type != "cpu" and isinstance(decoder, LibraryDecoder)
    autocast = torch.autocast(device.type, enabled=casts, dtype=dtype if casts else None)
    with autocast:  # the prompts' one pass has large products, like training's
        logits = decoder.begin(ids, prompt_mask, n, max_tokens)
    with autocast, decoding_products(device):
        for t in range(max_tokens):
            drawn, logp = sample_tokens(logits, temperature, uniforms[rows, t])
            tokens[rows, t], logprobs[rows, t], mask[rows, t] = drawn, logp, True
            on_token(len(rows))
            alive = drawn != eos_id
            if t + 1 == max_tokens or not bool(alive.any()):
                break
            if not bool(alive.all()):
                kept = decoder.keep(alive)
                rows, drawn = rows[kept], drawn[kept]
            logits = decoder.step(drawn)
    width = int(mask.sum(dim=1).max())
    ended = ((tokens == eos_id) & mask).any(dim=1)
    return Generated(tokens[:, :width], mask[:, :width], logprobs[:, :width], ended)
