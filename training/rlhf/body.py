"""A transformer without its head, run over rows, over rows behind a cache, or over prompts with responses."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from training.rlhf.attention import attends
from training.rlhf.batching import position_ids
from training.rlhf.layout import Packed, pack_groups, pack_rows, rectangle
from training.rlhf.lora import Lora, in_use
from training.rlhf.narrowing import last_layer_at


def new_cache() -> Any:
    """Make an empty key/value cache that keeps its graph."""
    from transformers import DynamicCache

    return DynamicCache()


def fuse_activations(module: Any) -> None:
    """Replace GPT-2's gelu of eight steps by torch's one kernel for the same formula.

    A saved config keeps the name it had.
    """
    for part in list(module.modules()):
        for name, child in list(part.named_children()):
            if type(child).__name__ == "NewGELUActivation":
                setattr(part, name, nn.GELU(approximate="tanh"))


class Body:
    """A transformer without its head, and the ways to run it without multiplying padding.

    No module of its own: it holds one that belongs to its owner.
    """

    def __init__(self, module: Any) -> None:
        fuse_activations(module)
        self._module = [module]  # in a list, so that it is not registered twice
        self._takes_positions = "position_ids" in inspect.signature(module.forward).parameters
        self.packs = attends(module)
        self.lora: Lora | None = None

    @property
    def module(self) -> Any:
        """The transformer itself."""
        return self._module[0]

    def effective(self, weight: Tensor) -> Tensor:
        """A weight of the transformer as this body uses it: with its adapter's change, if it has one."""
        return weight if self.lora is None else self.lora.merged(weight)

    def run(
        self,
        ids: Tensor,
        mask: Tensor,
        cache: Any = None,
        cached_mask: Tensor | None = None,
        *,
        read: Tensor | None = None,
    ) -> Tensor:
        """Run rows with padding on any side, after cached columns if there are any.

        ids, mask    (B, T)    int, bool  True = real token
        cache        keys and values of earlier columns, extended in place
        cached_mask  (B, C)    bool       mask of those columns
        read         (B, T)    bool       which real tokens are wanted; the last layer leaves out the others
        returns      (B, T, D) float      0 on padding, where rows are packed; with read only those tokens,
                     row by row: (N, D)
        """
        if self.packs and cache is None:
            packed = pack_rows(ids, mask)
            if read is None:
                return rectangle(mask).restore(self._run_packed(packed))
            return self._run_packed(packed, read[mask].nonzero().squeeze(-1))
        whole = mask if cached_mask is None else torch.cat([cached_mask, mask], dim=1)
        extra: dict[str, Any] = {}
        if self._takes_positions:
            extra["position_ids"] = position_ids(whole)[:, -ids.shape[1] :]
        if cache is not None:
            extra["past_key_values"] = cache
        # Without padding no mask is passed, which is faster. The cache is off unless one is given: packed
        # rows under a default cache would see each other.
        seen = None if bool(whole.all()) else whole.long()
        places = None if read is None else read.flatten().nonzero().squeeze(-1)
        with in_use(self._module[0], self.lora), last_layer_at(self._module[0], places):
            out = self._module[0](input_ids=ids, attention_mask=seen, use_cache=cache is not None, **extra)
        hidden: Tensor = out.last_hidden_state
        return hidden if places is None else hidden.flatten(0, 1).index_select(0, places)

    def run_groups(
        self, prompts: tuple[Tensor, Tensor], responses: tuple[Tensor, Tensor], read: Tensor | None = None
    ) -> Tensor:
        """Run prompts once and their responses behind them.

        prompts    ids (B, P) and mask (B, P), True = real token, right-padded
        responses  ids (B * K, R) and mask, right-padded; empty rows stand for missing responses
        read       (B * K, R) bool   which real tokens of responses are wanted
        returns    (B * K, R, D) float   0 on padding; with read only those tokens, row by row: (N, D)
        raises     ValueError  if the model reads no layouts; run separate rows then
        """
        if not self.packs:
            raise ValueError("this model reads no layouts; run separate rows.")
        packed = pack_groups(prompts, responses)
        if read is not None:
            first = packed.layout.row_tokens
            return self._run_packed(packed, first + read[responses[1]].nonzero().squeeze(-1))
        return packed.layout.restore_responses(self._run_packed(packed))

    def _run_packed(self, packed: Packed, places: Tensor | None = None) -> Tensor:
        with in_use(self._module[0], self.lora), last_layer_at(self._module[0], places):
            out = self._module[0](
                input_ids=packed.ids,
                position_ids=packed.positions,
                # A mask of four dimensions is taken as it is: none is built, `attend` reads the layout.
                attention_mask=packed.ids.new_zeros(1, 1, 1, 1),
                use_cache=False,
                layout=packed.layout,
            )
        hidden: Tensor = out.last_hidden_state[0]
        return hidden if places is None else hidden.index_select(0, places)
