"""From scores to per-token rewards to advantages. Tokens are the time steps of an episode."""

from __future__ import annotations

import torch
from torch import Tensor

from training.rlhf.logprobs import kl_k1
from training.rlhf.masking import last_real


def penalized_rewards(
    scores: Tensor, logprobs: Tensor, ref_logprobs: Tensor, response_mask: Tensor, kl_coef: float
) -> Tensor:
    """Put the KL penalty on every token and the score on the last one.

    scores         (B,)   float  reward-model score of each response
    logprobs       (B, R) float  nats under the policy that sampled
    ref_logprobs   (B, R) float  nats under the reference policy
    response_mask  (B, R) bool   True = real token, the end token included
    returns        (B, R) float  0 on padding; each row sums to score - kl_coef * KL of the sequence
    raises         ValueError    if a response has no real token

    Ouyang et al. 2022 (arXiv 2203.02155), sec. 3.5, eq. 2. The KL per token is the plain difference of
    log-probabilities, neither clamped nor made positive: its sum is the sequence's log-ratio exactly.
    """
    response_mask = response_mask.bool()
    last = last_real(response_mask)
    penalty = -kl_coef * kl_k1(logprobs, ref_logprobs)
    rewards = torch.where(response_mask, penalty, torch.zeros_like(penalty))
    rows = torch.arange(len(scores), device=scores.device)
    return rewards.index_put((rows, last), scores.to(rewards.dtype), accumulate=True)


def gae(
    rewards: Tensor, values: Tensor, response_mask: Tensor, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Estimate advantages and returns backwards over the tokens.

    rewards        (B, R) float  reward of each token
    values         (B, R) float  value before each token
    response_mask  (B, R) bool   True = real token; the real tokens of a row stand together
    gamma          discount from token to token, 1 in the paper
    lam            lambda: 0 is one-step temporal difference, 1 is reward-to-go minus value
    returns        (advantages, returns), each (B, R) float, 0 on padding; returns = advantages + values

    Schulman et al. 2015 (arXiv 1506.02438), eq. 16. An episode ends with its last real token: the value
    after it is 0, also where the length limit cut the response.
    """
    response_mask = response_mask.bool()
    zero = torch.zeros((), dtype=values.dtype, device=values.device)
    values = torch.where(response_mask, values, zero)
    rewards = torch.where(response_mask, rewards, zero)
    next_value = torch.zeros_like(values[:, 0])
    running = torch.zeros_like(values[:, 0])
    columns = []
    for t in reversed(range(values.shape[1])):
        delta = rewards[:, t] + gamma * next_value - values[:, t]
        running = torch.where(response_mask[:, t], delta + gamma * lam * running, zero)
        next_value = values[:, t]
        columns.append(running)
    advantages = torch.stack(columns[::-1], dim=1)
    return advantages, advantages + values


def rloo(totals: Tensor, n: int) -> Tensor:
    """Compare each response with the mean of the other responses to its prompt.

    totals   (B,) float    score less penalty of each response; the n of a prompt stand together
    n        2 or more     responses per prompt
    returns  (B,) float    advantages; they sum to 0 over each prompt
    raises   ValueError    if n is below 2 or does not divide B

    Kool et al. 2019; Ahmadian et al. 2024 (arXiv 2402.14740), eq. 6.
    """
    if n < 2 or len(totals) % n:
        raise ValueError(f"n is {n} for {len(totals)} responses; it must be 2 or more and divide them.")
    groups = totals.view(-1, n)
    others = (groups.sum(dim=1, keepdim=True) - groups) / (n - 1)
    return (groups - others).flatten()


def next_kl_coef(kl_coef: float, kl: float, target: float, episodes: int, horizon: int) -> float:
    """Steer the KL coefficient so that the KL of a response comes near its target.

    kl        nats, summed over each response and averaged over responses
    target    nats per response
    episodes  responses since the last change; horizon is how many it takes to follow, as many or more:
              below a fifth of them the coefficient would turn negative

    Ziegler et al. 2019 (arXiv 1909.08593), sec. 2.2: proportional control in log space, error within 20 %.
    """
    error = min(max(kl / target - 1, -0.2), 0.2)
    return kl_coef * (1 + error * episodes / horizon)
