"""Attention over packed rows by plain matrix products, with a backward pass of its own.

On CPUs the backward pass of torch's fused attention is several times slower than these few products. The
probabilities are kept for it, which suits rows of up to about a thousand tokens.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from training.rlhf.layout import Layout


def attend_by_products(q: Tensor, k: Tensor, v: Tensor, layout: Layout, heads: int, scale: float) -> Tensor:
    """Attend as a layout says.

    q, k, v  (T, H * d) float   of the packed row
    returns  (T, H * d) float
    """
    found: Tensor = _Products.apply(q, k, v, layout, heads, scale)  # type: ignore[no-untyped-call]
    return found


class _Products(torch.autograd.Function):
    """Head by head: scores, softmax, weighted sum; in backward the same products the other way round."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, layout: Layout, heads: int, scale: float
    ) -> Tensor:
        split = layout.row_tokens
        rows, own = layout.rows, layout.responses
        q = q * scale
        qp, kp, vp = (_by_head(rows.spread(x[:split]), heads) for x in (q, k, v))  # (B * H, P, d)
        weights = torch.baddbmm(_future(rows.places.shape[1], q), qp, kp.mT).softmax(dim=-1)
        out = rows.gather(_by_token(torch.bmm(weights, vp), heads))
        saved = [qp, kp, vp, weights]
        if own is not None:
            qr, kr, vr = (_by_group(own.spread(x[split:]), len(rows.places), heads) for x in (q, k, v))
            scores = q.new_empty(len(qp), qr.shape[1] * qr.shape[2], layout.longest)
            before, itself = _parts(scores, qr)
            torch.bmm(_flat(qr), kp.mT, out=before)
            if layout.seen is not None:
                before.masked_fill_(~layout.seen.repeat_interleave(heads, dim=0).unsqueeze(1), -torch.inf)
            torch.baddbmm(_future(qr.shape[2], q), qr.flatten(0, 1), kr.flatten(0, 1).mT, out=itself)
            both = scores.softmax(dim=-1)
            before, itself = _parts(both, qr)
            found = torch.bmm(before, vp).view(qr.shape)
            found.flatten(0, 1).baddbmm_(itself, vr.flatten(0, 1))
            out = torch.cat([out, own.gather(_by_response(found, heads))])
            saved += [qr, kr, vr, both]
        ctx.save_for_backward(*saved)
        ctx.layout, ctx.heads, ctx.scale = layout, heads, scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        layout, heads = ctx.layout, ctx.heads
        rows, own, split = layout.rows, layout.responses, layout.row_tokens
        qp, kp, vp, weights, *rest = ctx.saved_tensors
        gradient = gradients[0]
        above = _by_head(rows.restore(gradient[:split]), heads)
        slope = torch._softmax_backward_data(torch.bmm(above, vp.mT), weights, -1, weights.dtype)
        dq, dk, dv = torch.bmm(slope, kp), torch.bmm(slope.mT, qp), torch.bmm(weights.mT, above)
        if own is None:
            found = [rows.gather(_by_token(x, heads)) for x in (dq, dk, dv)]
        else:
            qr, kr, vr, both = rest
            above = _by_group(own.restore(gradient[split:]), len(rows.places), heads)
            before, itself = _parts(both, qr)
            slope = torch.empty_like(both)
            slope_before, slope_itself = _parts(slope, qr)
            torch.bmm(_flat(above), vp.mT, out=slope_before)
            torch.bmm(above.flatten(0, 1), vr.flatten(0, 1).mT, out=slope_itself)
            slope = torch._softmax_backward_data(slope, both, -1, both.dtype)
            slope_before, slope_itself = _parts(slope, qr)
            dqr = torch.bmm(slope_before, kp).view(qr.shape)
            dqr.flatten(0, 1).baddbmm_(slope_itself, kr.flatten(0, 1))
            dk.baddbmm_(slope_before.mT, _flat(qr))
            dv.baddbmm_(before.mT, _flat(above))
            dkr = torch.bmm(slope_itself.mT, qr.flatten(0, 1)).view(kr.shape)
            dvr = torch.bmm(itself.mT, above.flatten(0, 1)).view(vr.shape)
            found = [
                torch.cat([rows.gather(_by_token(x, heads)), own.gather(_by_response(y, heads))])
                for x, y in ((dq, dqr), (dk, dkr), (dv, dvr))
            ]
        return found[0] * ctx.scale, found[1], found[2], None, None, None


def _by_head(wide: Tensor, heads: int) -> Tensor:
    """(N, L, H * d) -> (N * H, L, d)."""
    return wide.view(*wide.shape[:2], heads, -1).transpose(1, 2).flatten(0, 1)


def _by_token(x: Tensor, heads: int) -> Tensor:
    """(N * H, L, d) -> (N, L, H * d)."""
    return x.view(-1, heads, *x.shape[1:]).transpose(1, 2).flatten(2)


def _by_group(wide: Tensor, groups: int, heads: int) -> Tensor:
    """(B * K, R, H * d) -> (B * H, K, R, d)."""
    return (
        wide.view(groups, -1, wide.shape[1], heads, wide.shape[2] // heads)
        .permute(0, 3, 1, 2, 4)
        .flatten(0, 1)
    )


def _by_response(x: Tensor, heads: int) -> Tensor:
    """(B * H, K, R, d) -> (B * K, R, H * d)."""
    return x.view(-1, heads, *x.shape[1:]).permute(0, 2, 3, 1, 4).flatten(3).flatten(0, 1)


def _flat(x: Tensor) -> Tensor:
    """(B * H, K, R, d) -> (B * H, K * R, d)."""
    return x.flatten(1, 2)


def _parts(scores: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """Split scores (B * H, K * R, P + R): on the prompt (B * H, K * R, P), its own (B * H * K, R, R)."""
    length = like.shape[2]
    own = scores.view(-1, length, scores.shape[2])
    return scores[..., :-length], own[..., -length:]


def _future(length: int, like: Tensor) -> Tensor:
    """What keeps a token from seeing later ones: (L, L) float, minus infinity above the diagonal."""
    return torch.full((length, length), -torch.inf, dtype=like.dtype, device=like.device).triu(1)
