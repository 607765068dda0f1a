"""AdamW and the learning-rate schedule."""

from __future__ import annotations

import math

import torch
from torch import nn

from training.rlhf.parallel import full, sum_gradients
from training.rlhf.sections import Optim


def make_optimizer(model: nn.Module, config: Optim) -> torch.optim.AdamW:
    """Build a fused AdamW; weight decay applies to matrices only."""
    params = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in params if p.dim() >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in params if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, eps=config.eps, fused=True)


def learning_rate(config: Optim, step: int, total: int) -> float:
    """Compute the rate of a step.

    step   0 for the first
    total  steps of the run
    """
    peak = config.learning_rate
    if step < config.warmup_steps:
        start = config.warmup_start_fraction
        return peak * (start + (1 - start) * step / config.warmup_steps)
    if config.schedule == "constant":
        return peak
    after = (step - config.warmup_steps) / max(1, total - config.warmup_steps)
    falling = 1 - after if config.schedule == "linear" else 0.5 * (1 + math.cos(math.pi * after))
    return peak * (config.final_fraction + (1 - config.final_fraction) * falling)


def take_step(optimizer: torch.optim.Optimizer, model: nn.Module, rate: float, clip_norm: float) -> float:
    """Clip the gradients, step with the given rate, clear the gradients; returns the norm before clipping.

    With several processes their gradients are added up first. A step that is no number is not taken.
    """
    sum_gradients(model)
    for group in optimizer.param_groups:
        group["lr"] = rate
    limit = clip_norm if clip_norm > 0 else math.inf
    norm = float(full(nn.utils.clip_grad_norm_(model.parameters(), limit)))
    if math.isfinite(norm):
        optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm
