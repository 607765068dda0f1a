"""Statistics over the real tokens of a padded batch. In every mask True means: a real token stands here."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(x: Tensor, mask: Tensor) -> Tensor:
    """Average x over the places where mask is True.

    x        any shape, float   values elsewhere are ignored, even NaN
    mask     same shape, bool   True = counts
    returns  ()          float  0 if nothing counts
    """
    mask = mask.bool()
    kept = torch.where(mask, x, torch.zeros((), dtype=x.dtype, device=x.device))
    return kept.sum() / mask.sum().clamp(min=1)


def masked_whiten(x: Tensor, mask: Tensor, *, shift_mean: bool = True, eps: float = 1e-8) -> Tensor:
    """Scale x to variance 1, and shift it to mean 0, over the places where mask is True.

    x        any shape, float
    mask     same shape, bool  True = counts
    returns  same shape        0 where mask is False; with shift_mean False the mean stays what it was

    The variance is that of the population, with eps under the root, as in lm-human-preferences (2019).
    """
    mask = mask.bool()
    mean = masked_mean(x, mask)
    variance = masked_mean((x - mean) ** 2, mask)
    white = (x - mean) * torch.rsqrt(variance + eps)
    if not shift_mean:
        white = white + mean
    return torch.where(mask, white, torch.zeros((), dtype=x.dtype, device=x.device))


def last_real(mask: Tensor) -> Tensor:
    """Find the last True of every row.

    mask     (B, T) bool
    returns  (B,)   int   index of the last True
    raises   ValueError   if a row has none
    """
    if not bool(mask.any(dim=1).all()):
        raise ValueError(
            "a row has no real token; every response needs at least one, its end token included."
        )
    places = torch.arange(mask.shape[1], device=mask.device)
    return (mask * places).argmax(dim=1)


def only_last(mask: Tensor) -> Tensor:
    """Mark the last True of every row: (B, T) bool -> (B, T) bool; a row that has none marks none."""
    left = mask.flip(1).cumsum(dim=1).flip(1)
    return mask & (left == 1)


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> Tensor:
    """Say which share of the variance of the returns the values predict.

    values, returns  (B, R) float
    mask             (B, R) bool   True = real token
    returns          ()     float  1 is perfect, 0 as good as a constant, below 0 worse; 0 if returns do not
    vary
    """
    spread = masked_mean((returns - masked_mean(returns, mask)) ** 2, mask)
    error = returns - values
    unexplained = masked_mean((error - masked_mean(error, mask)) ** 2, mask)
    return torch.where(spread > 0, 1 - unexplained / spread.clamp(min=1e-12), torch.zeros_like(spread))
