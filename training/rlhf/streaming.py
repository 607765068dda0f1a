"""Write one response token by token, and hand each piece of text out as soon as it is certain.

The same prompts, decoder and draws as in `generation.py`: with top_p 1 the tokens are those that `generate`
makes from the same numbers. Top-p belongs here only, where a person reads: in training it would make the
sampler another distribution than the policy's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from training.rlhf.batching import left_pad
from training.rlhf.generation import sample_tokens
from training.rlhf.model import LanguageModel
from training.rlhf.precision import decoding_products
from training.rlhf.tokenizer import Codec

UNFINISHED = "\ufffd"
"""What a tokenizer writes for bytes that are not a whole character yet."""
LONGEST_CHARACTER = 4  # bytes, and so tokens, that a character may need


def keep_nucleus(logits: Tensor, temperature: float, top_p: float) -> Tensor:
    """Rule out all but the likeliest tokens whose probabilities add up to top_p.

    logits       (N, V) float
    temperature  at which the probabilities are meant; 0 as 1
    top_p        above 0, at most 1; the likeliest token always stays
    returns      (N, V) float  minus infinity where ruled out
    """
    if top_p >= 1:
        return logits
    ordered, places = (logits.float() / (temperature or 1.0)).sort(dim=-1, descending=True)
    probabilities = ordered.softmax(dim=-1)
    before = probabilities.cumsum(dim=-1) - probabilities  # what the likelier ones have together
    ruled_out = torch.zeros_like(logits, dtype=torch.bool).scatter(-1, places, before >= top_p)
    return logits.masked_fill(ruled_out, -math.inf)


def stream_tokens(
    model: LanguageModel,
    prompt: Sequence[int],
    *,
    max_tokens: int,
    eos_id: int,
    temperature: float,
    top_p: float,
    uniforms: Tensor,
) -> Iterator[int]:
    """Yield the tokens of one response as they are drawn, the end token included.

    prompt      ids, the separator included
    max_tokens  longest response, its end token included
    uniforms    (1, max_tokens) float64 in [0, 1), from row_uniforms
    """
    device = next(model.parameters()).device
    uniforms = uniforms.to(device)
    decoder = model.decoder(torch.float32)
    drawn = torch.zeros(1, dtype=torch.long, device=device)
    for t in range(max_tokens):
        # Nothing global is held while somebody else has the turn: several responses are written at once.
        with torch.no_grad(), decoding_products(device):
            if t == 0:
                ids, mask = (x.to(device) for x in left_pad([prompt]))
                logits = decoder.begin(ids, mask, 1, max_tokens)
            else:
                logits = decoder.step(drawn)
            drawn, _ = sample_tokens(keep_nucleus(logits, temperature, top_p), temperature, uniforms[:, t])
        token = int(drawn)
        yield token
        if token == eos_id:
            return


def stream_text(codec: Codec, tokens: Iterator[int]) -> Iterator[tuple[str, int]]:
    """Yield (new text, tokens so far) after each token; the new texts together are the response.

    A token may end within a character, and a tokenizer may write a token otherwise once the next is known: so
    the last few are written anew with each token, and text that ends within a character waits for the rest.
    """
    ids: list[int] = []
    start = shown = 0  # texts begin at `start`; what ids[start:shown] say has been handed out
    for token in tokens:
        if token == codec.eos_id:
            break
        ids.append(token)
        before, now = codec.decode(ids[start:shown]), codec.decode(ids[start:])
        waits = now.endswith(UNFINISHED) and len(ids) - shown < LONGEST_CHARACTER
        if waits or not now.startswith(before):
            yield "", len(ids)
            continue
        yield now[len(before) :], len(ids)
        start, shown = shown, len(ids)
    rest = codec.decode(ids[start:])[len(codec.decode(ids[start:shown])) :]
    if rest:
        yield rest, len(ids)
