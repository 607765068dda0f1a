"""The losses of the three stages: pure functions, tensors in, one number out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from training.rlhf.logprobs import full_precision
from training.rlhf.masking import masked_mean

IGNORED = -100


def sft_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Compute the mean next-token loss over the supervised labels.

    logits   (B, T, V) float  the model's output at every position; logits at t predict the token at t + 1
    labels   (B, T)    int    the token standing at each position, -100 = not supervised (prompt, padding)
    returns  ()        float  nats per supervised token
    raises   ValueError       if no label is supervised

    The shift happens here: labels are the input tokens with -100 over prompt and padding, as in transformers.
    The first column can therefore never be supervised.
    """
    targets = labels[:, 1:]
    supervised = targets != IGNORED
    if not bool(supervised.any()):
        raise ValueError("no label is supervised; every example needs at least its end token.")
    return token_losses(logits[:, :-1][supervised], targets[supervised]).mean()


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute the loss of each token on its own.

    logits   (N, V) float  logits that predict the target at the same place (already shifted)
    targets  (N,)   int
    returns  (N,)   float  nats
    """
    return F.cross_entropy(full_precision(logits), targets, reduction="none")


def ranking_pairs(ranks: Tensor, slot_mask: Tensor) -> Tensor:
    """Mark the pairs a ranking teaches.

    ranks      (B, K)    int   1 is best; equal ranks are ties and form no pair
    slot_mask  (B, K)    bool  True = a response stands here
    returns    (B, K, K) bool  True at [b, i, j] if response i is preferred to response j
    """
    slot_mask = slot_mask.bool()
    both = slot_mask.unsqueeze(2) & slot_mask.unsqueeze(1)
    return (ranks.unsqueeze(2) < ranks.unsqueeze(1)) & both


def ranking_loss(scores: Tensor, ranks: Tensor, slot_mask: Tensor) -> Tensor:
    """Compute the pairwise reward-model loss over all pairs of a K-way ranking.

    scores     (B, K) float   reward-model score of each response
    ranks      (B, K) int     1 is best; equal ranks are ties and form no pair; need not be contiguous
    slot_mask  (B, K) bool    True = a response stands here, False = padding up to K
    returns    ()     float   nats, mean over comparisons; ln 2 when all scores are equal
    raises     ValueError     if a comparison has no pair to learn from

    Ouyang et al. 2022 (arXiv 2203.02155), sec. 3.5, eq. 1: a pair weighs 1 / (pairs in its comparison).
    Where ties leave fewer than K(K-1)/2 pairs we divide by those that remain; the paper does not say.
    """
    pairs = ranking_pairs(ranks, slot_mask)
    pair_counts = pairs.sum(dim=(1, 2))  # (B,)
    if not bool((pair_counts > 0).all()):
        row = int((pair_counts == 0).nonzero()[0])
        raise ValueError(f"comparison {row} has no pair to learn from; leave out rankings that are all ties.")
    kept = full_precision(scores).masked_fill(~slot_mask.bool(), 0.0)
    differences = kept.unsqueeze(2) - kept.unsqueeze(
        1
    )  # (B, K, K), preferred minus other where pairs is True
    losses = -F.logsigmoid(differences).masked_fill(~pairs, 0.0)
    return (losses.sum(dim=(1, 2)) / pair_counts).mean()


def ppo_policy_loss(
    logprobs: Tensor, old_logprobs: Tensor, advantages: Tensor, mask: Tensor, clip: float
) -> Tensor:
    """Compute the clipped PPO loss.

    logprobs      (B, R) float  nats under the policy being trained
    old_logprobs  (B, R) float  nats under the policy that sampled
    advantages    (B, R) float
    mask          (B, R) bool   True = real response token
    clip          half-width of the interval [1 - clip, 1 + clip] for the ratio
    returns       ()     float  scalar mean over the real tokens of the batch; lower is better

    Schulman et al. 2017 (arXiv 1707.06347), eq. 7, with the sign turned.
    """
    mask = mask.bool()
    zero = torch.zeros((), dtype=logprobs.dtype, device=logprobs.device)
    ratio = torch.where(mask, logprobs - old_logprobs, zero).exp()
    advantages = torch.where(mask, advantages, zero)
    unclipped = ratio * advantages
    clipped = ratio.clamp(1 - clip, 1 + clip) * advantages
    return masked_mean(-torch.minimum(unclipped, clipped), mask)


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, mask: Tensor, clip: float) -> Tensor:
    """Compute the clipped value loss.

    values      (B, R) float  under the value model being trained
    old_values  (B, R) float  at the rollout
    returns     (B, R) float  targets
    mask        (B, R) bool   True = real response token
    clip        how far a value may move from old_values and still gain; infinity = no clipping
    returns     ()     float  scalar mean over real tokens of half the larger squared error

    As in lm-human-preferences (2019). Unlike there no coefficient is applied: our value model has weights
    and a learning rate of its own.
    """
    mask = mask.bool()
    zero = torch.zeros((), dtype=values.dtype, device=values.device)
    values, old_values, returns = (torch.where(mask, x, zero) for x in (values, old_values, returns))
    moved = old_values + (values - old_values).clamp(-clip, clip)
    error = torch.maximum((values - returns) ** 2, (moved - returns) ** 2)
    return 0.5 * masked_mean(error, mask)
