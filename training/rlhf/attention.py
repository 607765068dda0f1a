"""Attention that knows which tokens belong together, so that no padding is ever multiplied.

Rows of unequal length stand behind each other in one packed row. Everything in a transformer but attention
works on single tokens and never meets padding; attention lifts the rows out of the packed row, lets each see
itself only, and puts them back. A group is a prompt followed by several responses: the prompt stands once,
its responses see it and themselves, not each other. The results are those of separate rows, to rounding.

Positions restart in every row; a response goes on after its prompt. On a CPU short rows take plain matrix
products, whose backward pass is several times faster there than that of the fused kernel; long rows and GPUs
take torch's fused attention. With flex the packed row is not taken apart: FlexAttention reads it with a block
mask (for GPUs; on a CPU it has no backward pass), unless attention is to be dropped, which it cannot. Its
length is rounded up, so that few lengths are compiled.

transformers calls `attend` for every model that takes its attention from the registry; the others never get
a layout.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from training.rlhf.layout import Layout, pack_rows
from training.rlhf.products import attend_by_products

NAME = "instructloop"
BUCKET = 512  # tokens that a packed row's length is rounded up to for FlexAttention
PRODUCTS_UP_TO = 1024  # keys; beyond, the stored probabilities cost more memory than the activations


def attends(body: Any) -> bool:
    """Let a transformer take its attention from here if it can; says whether it reads layouts.

    Refused are windows, capped scores, and models that do not use transformers' registry or that answer
    otherwise packed than row by row.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    config = body.config.get_text_config()
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    if kinds != {"full_attention"} or "position_ids" not in inspect.signature(body.forward).parameters:
        return False
    if not body._can_set_attn_implementation():
        return False
    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    before = body.config._attn_implementation
    body.set_attn_implementation(NAME)
    if _same_when_packed(body):
        return True
    body.set_attn_implementation(before)
    return False


@torch.no_grad()
def _same_when_packed(body: Any) -> bool:
    device = next(body.parameters()).device
    if device.type == "meta":
        return False
    rows = torch.tensor([[1, 2, 3, 0], [3, 1, 0, 0]], device=device)
    mask = torch.tensor([[True] * 4, [True] * 2 + [False] * 2], device=device)
    packed = pack_rows(rows, mask)
    was_training = body.training
    body.eval()
    try:
        together = body(
            input_ids=packed.ids,
            position_ids=packed.positions,
            attention_mask=packed.ids.new_zeros(1, 1, 1, 1),
            use_cache=False,
            layout=packed.layout,
        ).last_hidden_state[0]
        apart = [
            body(input_ids=row[kept].unsqueeze(0), use_cache=False).last_hidden_state[0]
            for row, kept in zip(rows, mask, strict=True)
        ]
    except (NotImplementedError, RuntimeError, TypeError, ValueError, AttributeError):
        return False
    finally:
        body.train(was_training)
    return torch.allclose(together.float(), torch.cat(apart).float(), atol=1e-3, rtol=1e-3)


def attend(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    layout: Layout | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend as a layout says, or as transformers does where there is none.

    query       (1, H, T, d) float   with a layout; key and value may have fewer heads
    returns     (1, T, H, d) float
    raises      NotImplementedError  for windows and caps, which layouts do not know
    """
    if layout is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        found: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return found
    if kwargs.get("sliding_window") is not None or kwargs.get("softcap") is not None:
        raise NotImplementedError("packed rows know neither sliding windows nor capped scores")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    heads, width = query.shape[1], query.shape[-1]
    if key.shape[1] != heads:
        key, value = (x.repeat_interleave(heads // x.shape[1], dim=1) for x in (key, value))
    with torch.autocast(query.device.type, enabled=False):
        if dropout == 0 and (layout.flex or (_wanted and query.device.type == "cuda")):
            return _flex(query, key, value, layout, scale), None
        q, k, v = (x[0].transpose(0, 1).flatten(1).to(value.dtype) for x in (query, key, value))  # (T, H * d)
        if query.device.type == "cpu" and dropout == 0 and layout.longest <= PRODUCTS_UP_TO:
            out: Tensor = attend_by_products(q, k, v, layout, heads, scale)
        else:
            out = _fused(q, k, v, layout, heads, scale, dropout)
    return out.view(1, -1, heads, width), None


def _fused(q: Tensor, k: Tensor, v: Tensor, layout: Layout, heads: int, scale: float, drop: float) -> Tensor:
    """Attend by torch's own kernels: q, k, v (T, H * d) -> (T, H * d)."""
    split = layout.row_tokens
    qp, kp, vp = (_by_head(layout.rows.spread(x[:split]), heads) for x in (q, k, v))  # (B, H, P, d)
    # Right padding needs no mask: no real token sees what stands behind it.
    rows = F.scaled_dot_product_attention(qp, kp, vp, is_causal=True, dropout_p=drop, scale=scale)
    out = layout.rows.gather(rows.transpose(1, 2).flatten(2))
    if layout.responses is None:
        return out
    qr, kr, vr = (_by_head(layout.responses.spread(x[split:]), heads) for x in (q, k, v))  # (B * K, H, R, d)
    each = len(qr) // len(qp)
    longest, length = qp.shape[2], qr.shape[2]
    keys, values = (torch.cat([x.repeat_interleave(each, dim=0), y], dim=2) for x, y in ((kp, kr), (vp, vr)))
    allowed = torch.ones(length, longest + length, dtype=torch.bool, device=q.device).tril(longest)
    if layout.seen is not None:
        real = F.pad(layout.seen, (0, length), value=True)  # (B, P + R)
        allowed = (allowed & real.unsqueeze(1)).repeat_interleave(each, dim=0).unsqueeze(1)
    responses = F.scaled_dot_product_attention(
        qr, keys, values, attn_mask=allowed, dropout_p=drop, scale=scale
    )
    return torch.cat([out, layout.responses.gather(responses.transpose(1, 2).flatten(2))])


def _by_head(wide: Tensor, heads: int) -> Tensor:
    """(N, L, H * d) -> (N, H, L, d)."""
    return wide.view(*wide.shape[:2], heads, -1).transpose(1, 2)


_wanted: list[bool] = []


def use_flex(wanted: bool) -> None:
    """Say whether packed rows on a GPU take FlexAttention from now on."""
    _wanted[:] = [True] if wanted else []


@functools.cache
def _compiled() -> Any:
    """FlexAttention that leaves out masked blocks; each new length of a packed row is compiled once."""
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention, dynamic=False)


def _flex(query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float) -> Tensor:
    """Attend in the packed row, under a block mask: (1, H, T, d) -> (1, T, H, d)."""
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    spare = -query.shape[2] % BUCKET
    row, parent = (F.pad(x, (0, spare), value=-1) for x in layout.owners())  # what is added sees itself
    query, key, value = (F.pad(x, (0, 0, 0, spare)) for x in (query, key, value))

    def allowed(batch: Tensor, head: Tensor, asks: Tensor, answers: Tensor) -> Tensor:
        kin = (row[answers] == row[asks]) | (row[answers] == parent[asks])
        return kin & (answers <= asks)

    length = query.shape[2]
    blocks = create_block_mask(allowed, None, None, length, length, device=query.device)
    attention: Any = _compiled() if query.device.type == "cuda" else flex_attention
    out: Tensor = attention(query, key, value, block_mask=blocks, scale=scale)
    return out[:, :, : length - spare].transpose(1, 2).contiguous()
