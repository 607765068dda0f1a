"""One token at a time behind a key/value cache: the inner loop of sampling, written out.

A decode step is hundreds of small operations, and a general model spends most of its time between them. Here
the layers of the two common shapes (GPT-2; Llama, Mistral and Qwen) are run over their own weights, and the
samples of a prompt share its keys and values (`cache.py`). Every other model takes transformers' cache; which
way a model takes is found out by decoding a few tokens both ways.

The weights are the model's own, or a copy in bfloat16 where that is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.rlhf.body import Body, new_cache
from training.rlhf.cache import DecodeCache
from training.rlhf.masking import only_last

LLAMA_SHAPED = ("LlamaModel", "MistralModel", "Qwen2Model", "Qwen3Model")
PLAIN = ("Linear", "Conv1D", "Embedding", "LayerNorm")  # adapters and sharded weights are something else


class Decoder(Protocol):
    """What continues rows token by token. Rows are numbered from 0; `keep` numbers them anew."""

    def begin(self, ids: Tensor, mask: Tensor, n: int, room: int) -> Tensor:
        """Read left-padded prompts (B, P), n rows for each, with room for so many tokens: (B * n, V)."""

    def step(self, tokens: Tensor) -> Tensor:
        """Append one token to every row: (N,) int -> logits (N, V)."""

    def keep(self, alive: Tensor) -> Tensor:
        """Drop the rows that are not alive (N,) bool; returns the old numbers of those that stay."""


class LibraryDecoder:
    """Through the model itself and the cache of transformers."""

    def __init__(self, body: Body, head: Callable[[Tensor], Tensor]) -> None:
        self._body, self._head = body, head

    def begin(self, ids: Tensor, mask: Tensor, n: int, room: int) -> Tensor:
        self._cache = new_cache()
        logits = self._head(self._body.run(ids, mask, self._cache)[:, -1])
        if n > 1:
            self._cache.batch_repeat_interleave(n)
        self._seen = mask.repeat_interleave(n, dim=0)
        return logits.repeat_interleave(n, dim=0)

    def step(self, tokens: Tensor) -> Tensor:
        one = torch.ones(len(tokens), 1, dtype=torch.bool, device=tokens.device)
        hidden = self._body.run(tokens.unsqueeze(-1), one, self._cache, self._seen)[:, -1]
        self._seen = torch.cat([self._seen, one], dim=1)
        return self._head(hidden)

    def keep(self, alive: Tensor) -> Tensor:
        kept = alive.nonzero().squeeze(-1)
        self._cache.batch_select_indices(kept)
        self._seen = self._seen[kept]
        return kept


class OwnDecoder:
    """The layers written out."""

    def __init__(self, body: Body, head: nn.Module, dtype: torch.dtype) -> None:
        self._body, self._dtype = body, dtype
        module, config = body.module, body.module.config
        self._gpt2 = type(module).__name__ == "GPT2Model"
        self._layers = list(module.h if self._gpt2 else module.layers)
        self._weights = [
            {name: self._cast(x) for name, x in each.named_parameters()} for each in self._layers
        ]
        ends = (module.wte, module.wpe, module.ln_f) if self._gpt2 else (module.embed_tokens, module.norm)
        self._ends = [[self._cast(x) for x in each.parameters()] for each in ends]
        self._output = self._cast(head.weight)
        self._heads = int(config.num_attention_heads)

    def _cast(self, x: Any) -> Tensor:
        cast: Tensor = self._body.effective(x).detach().to(self._dtype)
        return cast

    def begin(self, ids: Tensor, mask: Tensor, n: int, room: int) -> Tensor:
        cache = new_cache()
        with torch.autocast(ids.device.type, torch.bfloat16, enabled=self._dtype == torch.bfloat16):
            last = self._body.run(ids, mask, cache, read=only_last(mask))
        layers = [(each.keys.to(self._dtype), each.values.to(self._dtype)) for each in cache.layers]
        self._cache = DecodeCache(layers, mask, n, room)
        self._positions = mask.sum(dim=1).repeat_interleave(n)
        return F.linear(last.to(self._dtype), self._output).repeat_interleave(n, dim=0)

    def step(self, tokens: Tensor) -> Tensor:
        self._cache.make_room(len(tokens))
        x = self._gpt2_step(tokens) if self._gpt2 else self._llama_step(tokens)
        self._cache.columns += 1
        self._positions = self._positions + 1
        return F.linear(x, self._output)

    def keep(self, alive: Tensor) -> Tensor:
        order = self._cache.keep(alive)
        self._positions = self._positions[order]
        return order

    def _gpt2_step(self, tokens: Tensor) -> Tensor:
        (words,), (places,), (last, shift) = self._ends
        x = words[tokens] + places[self._positions]
        for i, (layer, w) in enumerate(zip(self._layers, self._weights, strict=True)):
            width = (x.shape[-1],)
            y = F.layer_norm(x, width, w["ln_1.weight"], w["ln_1.bias"], layer.ln_1.eps)
            y = torch.addmm(w["attn.c_attn.bias"], y, w["attn.c_attn.weight"])
            q, k, v = y.view(len(x), 3, self._heads, -1).unbind(dim=1)
            y = self._cache.attend(i, q, k, v, layer.attn.scaling)
            x = x + torch.addmm(w["attn.c_proj.bias"], y, w["attn.c_proj.weight"])
            y = F.layer_norm(x, width, w["ln_2.weight"], w["ln_2.bias"], layer.ln_2.eps)
            y = layer.mlp.act(torch.addmm(w["mlp.c_fc.bias"], y, w["mlp.c_fc.weight"]))
            x = x + torch.addmm(w["mlp.c_proj.bias"], y, w["mlp.c_proj.weight"])
        return F.layer_norm(x, (x.shape[-1],), last, shift, self._body.module.ln_f.eps)

    def _llama_step(self, tokens: Tensor) -> Tensor:
        (words,), (last,) = self._ends
        x = words[tokens]
        cos, sin = self._body.module.rotary_emb(x, self._positions.unsqueeze(1))  # (N, 1, d)
        half = cos.shape[-1] // 2
        sin = torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)

        def turn(y: Tensor) -> Tensor:
            turned: Tensor = y * cos + torch.cat([y[..., half:], y[..., :half]], dim=-1) * sin
            return turned

        for i, (layer, w) in enumerate(zip(self._layers, self._weights, strict=True)):
            attention, width = layer.self_attn, (x.shape[-1],)
            y = F.rms_norm(x, width, w["input_layernorm.weight"], layer.input_layernorm.variance_epsilon)
            q, k, v = (
                F.linear(y, w[f"self_attn.{name}_proj.weight"], w.get(f"self_attn.{name}_proj.bias")).view(
                    len(x), -1, attention.head_dim
                )
                for name in "qkv"
            )
            if "self_attn.q_norm.weight" in w:
                size, eps = (attention.head_dim,), attention.q_norm.variance_epsilon
                q = F.rms_norm(q, size, w["self_attn.q_norm.weight"], eps)
                k = F.rms_norm(k, size, w["self_attn.k_norm.weight"], eps)
            y = self._cache.attend(i, turn(q), turn(k), v, attention.scaling)
            x = x + F.linear(y, w["self_attn.o_proj.weight"], w.get("self_attn.o_proj.bias"))
            norm = layer.post_attention_layernorm
            y = F.rms_norm(x, width, w["post_attention_layernorm.weight"], norm.variance_epsilon)
            y = layer.mlp.act_fn(F.linear(y, w["mlp.gate_proj.weight"])) * F.linear(
                y, w["mlp.up_proj.weight"]
            )
            x = x + F.linear(y, w["mlp.down_proj.weight"])
        return F.rms_norm(x, (x.shape[-1],), last, self._body.module.norm.variance_epsilon)


def decodes_itself(body: Body, head: Any, logits: Callable[[Tensor], Tensor]) -> bool:
    """Say whether the written-out layers tell of a model what the model tells itself."""
    module = body.module
    known = type(module).__name__ == "GPT2Model" or type(module).__name__ in LLAMA_SHAPED
    if not (
        known and body.packs and _plain(module) and type(head).__name__ == "Linear" and head.bias is None
    ):
        return False
    device, most = head.weight.device, len(head.weight)
    ids = torch.tensor([[0, 0, 3, 1], [1, 2, 3, 0]], device=device) % most
    mask = torch.tensor([[False, False, True, True], [True] * 4], device=device)
    theirs, ours = LibraryDecoder(body, logits), OwnDecoder(body, head, torch.float32)
    with torch.no_grad(), torch.autocast(device.type, enabled=False):
        if not _close(ours.begin(ids, mask, 2, 3), theirs.begin(ids, mask, 2, 3)):
            return False
        for tokens in ([1, 2, 3, 0], [0, 1, 2, 3]):
            drawn = torch.tensor(tokens, device=device) % most
            if not _close(ours.step(drawn), theirs.step(drawn)):
                return False
        alive = torch.tensor([False, True, False, True], device=device)
        own, drawn = ours.keep(alive), torch.tensor([1, 2, 3, 0], device=device) % most
        kept = theirs.keep(alive)
        back = torch.argsort(own)
        return torch.equal(own[back], kept) and _close(ours.step(drawn[own])[back], theirs.step(drawn[kept]))


def _plain(module: nn.Module) -> bool:
    """Whether all weights stand in ordinary layers and are ordinary tensors."""
    owners = [part for part in module.modules() if next(part.parameters(recurse=False), None) is not None]
    usual = all(type(part).__name__ in PLAIN or type(part).__name__.endswith("RMSNorm") for part in owners)
    return usual and all(type(x) in (nn.Parameter, Tensor) for x in module.parameters())


def _close(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.float(), b.float(), atol=1e-3, rtol=1e-3)
