"""The last layer, only where its output is read.

A loss reads a transformer at few of its tokens: a policy's before each token of the response, a reward
model's at the last. Below the last layer every token matters, for others attend to it. In the last layer
only keys and values do; what follows attention there (its output, and the feed-forward part, two thirds of a
layer's weights) is computed for the tokens that are read and left out for the others.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

# Transformers whose layers add attention and feed-forward part to what they were given, token by token.
KNOWN = ("GPT2Model", "LlamaModel", "MistralModel", "Qwen2Model", "Qwen3Model")
TOKENWISE = ("mlp", "attn.c_proj", "self_attn.o_proj", "self_attn.q_proj")


@contextlib.contextmanager
def last_layer_at(module: Any, places: Tensor | None) -> Iterator[None]:
    """Run the last layer for some tokens: what a transformer tells of others means nothing then.

    module  a transformer; one that is not known computes all of its last layer
    places  (N,) int   tokens that are read, in rows behind each other; None = all
    """
    with contextlib.ExitStack() as hooks:
        if places is not None:
            for part in _tokenwise_parts(module):
                _run_at(part, places, hooks)
        yield


def _tokenwise_parts(module: Any) -> list[nn.Module]:
    # A sharded transformer has a class of its own, made from the one it was.
    if not any(kind.__name__ in KNOWN for kind in type(module).__mro__):
        return []
    if module.gradient_checkpointing and module.training:  # layers run again when nobody holds the places
        return []
    parts = dict(list(getattr(module, "h", None) or module.layers)[-1].named_modules())
    return [parts[name] for name in TOKENWISE if name in parts]


def _run_at(part: nn.Module, places: Tensor, hooks: contextlib.ExitStack) -> None:
    """Let a part see the rows at some places only; the rows of its output are 0 elsewhere."""

    shape: list[int] = []

    def take(_part: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        x = given[0]
        shape[:] = x.shape[:-1]
        return (x.reshape(-1, x.shape[-1]).index_select(0, places), *given[1:])

    def put(_part: nn.Module, _given: Any, out: Tensor) -> Tensor:
        empty = out.new_zeros(math.prod(shape), out.shape[-1])
        return empty.index_copy(0, places, out).view(*shape, -1)

    # Last of all hooks, so that those of adapters see as few rows going in as coming out.
    hooks.callback(part.register_forward_pre_hook(take).remove)
    hooks.callback(part.register_forward_hook(put).remove)
