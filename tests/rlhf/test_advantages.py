"""Rewards and advantages against tables and a slow reference."""

import pytest
import torch

from training.rlhf.advantages import gae, penalized_rewards


def ragged_mask(lengths: list[int], width: int) -> torch.Tensor:
    return torch.arange(width)[None] < torch.tensor(lengths)[:, None]


def test_score_stands_on_the_last_real_token_and_penalty_on_every_one() -> None:
    mask = ragged_mask([2, 4, 1], 4)  # ended early, at the limit, at once
    logprobs = torch.full((3, 4), -1.0)
    ref = torch.tensor([[-1.5, -0.5, 9.0, 9.0], [-1.0, -2.0, -1.0, -1.0], [-3.0, 9.0, 9.0, 9.0]])
    rewards = penalized_rewards(torch.tensor([10.0, 20.0, 30.0]), logprobs, ref, mask, kl_coef=0.1)
    expected = [[-0.05, 10.05, 0.0, 0.0], [0.0, -0.1, 0.0, 20.0], [30.0 - 0.2, 0.0, 0.0, 0.0]]
    assert torch.allclose(rewards, torch.tensor(expected), atol=1e-6)


def test_the_penalty_is_neither_clamped_nor_made_positive_however_far_the_models_are() -> None:
    logprobs = torch.tensor([[-1.0, -30.0, -2.0]])
    ref = torch.tensor([[-41.0, -5.0, -2.0]])
    rewards = penalized_rewards(
        torch.tensor([0.0]), logprobs, ref, torch.ones(1, 3, dtype=torch.bool), kl_coef=0.5
    )
    assert rewards.tolist() == [[-20.0, 12.5, 0.0]]


def test_rewards_of_a_response_sum_to_score_minus_penalized_kl() -> None:
    generator = torch.Generator().manual_seed(0)
    mask = ragged_mask([5, 1, 7, 3], 7)
    logprobs, ref = (torch.randn(4, 7, generator=generator) for _ in range(2))
    scores = torch.randn(4, generator=generator)
    rewards = penalized_rewards(scores, logprobs, ref, mask, kl_coef=0.3)
    kl = ((logprobs - ref) * mask).sum(1)
    assert torch.allclose(rewards.sum(1), scores - 0.3 * kl, atol=1e-5)
    # Undiscounted and with lambda 1, the return before the first token is that sum.
    _, returns = gae(rewards, torch.randn(4, 7, generator=generator), mask, gamma=1.0, lam=1.0)
    assert torch.allclose(returns[:, 0], scores - 0.3 * kl, atol=1e-5)


def test_response_without_real_token_is_refused() -> None:
    with pytest.raises(ValueError, match="no real token"):
        penalized_rewards(torch.zeros(1), torch.zeros(1, 2), torch.zeros(1, 2), ragged_mask([0], 2), 0.1)


def slow_gae(
    rewards: list[float], values: list[float], gamma: float, lam: float
) -> tuple[list[float], list[float]]:
    """Sum the definition directly, for one response without padding."""
    n = len(rewards)
    deltas = [rewards[t] + gamma * (values[t + 1] if t + 1 < n else 0.0) - values[t] for t in range(n)]
    advantages = [sum((gamma * lam) ** (u - t) * deltas[u] for u in range(t, n)) for t in range(n)]
    return advantages, [a + v for a, v in zip(advantages, values, strict=True)]


@pytest.mark.parametrize(("gamma", "lam"), [(1.0, 0.95), (0.9, 0.5), (1.0, 0.0), (1.0, 1.0)])
def test_gae_agrees_with_a_slow_reference_on_ragged_rows(gamma: float, lam: float) -> None:
    generator = torch.Generator().manual_seed(4)
    lengths = [1, 6, 3, 5]
    mask = ragged_mask(lengths, 6)
    rewards, values = (torch.randn(4, 6, generator=generator) for _ in range(2))
    advantages, returns = gae(rewards, values, mask, gamma, lam)
    for row, n in enumerate(lengths):
        slow_a, slow_r = slow_gae(rewards[row, :n].tolist(), values[row, :n].tolist(), gamma, lam)
        assert advantages[row, :n].tolist() == pytest.approx(slow_a, abs=1e-5)
        assert returns[row, :n].tolist() == pytest.approx(slow_r, abs=1e-5)
    assert (advantages[~mask] == 0).all()
    assert (returns[~mask] == 0).all()


def test_gae_does_not_see_padding_on_either_side() -> None:
    rewards, values = torch.tensor([[0.1, 2.0]]), torch.tensor([[0.5, 0.7]])
    plain, _ = gae(rewards, values, torch.ones(1, 2, dtype=torch.bool), 1.0, 0.9)
    junk = torch.full((1, 1), float("nan"))
    mask = torch.tensor([[False, True, True, False]])
    padded, _ = gae(torch.cat([junk, rewards, junk], 1), torch.cat([junk, values, junk], 1), mask, 1.0, 0.9)
    assert torch.equal(padded[:, 1:3], plain)
