"""Losses against tables worked by hand, and what must not change them."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from training.rlhf.losses import ppo_policy_loss, ranking_loss, ranking_pairs, sft_loss, value_loss


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def everywhere(x: Tensor) -> Tensor:
    return torch.ones(x.shape, dtype=torch.bool)


def test_ranking_loss_of_equal_scores_is_ln_2() -> None:
    ranks = torch.tensor([[1, 2, 3, 4], [2, 1, 2, 3]])
    scores = torch.full((2, 4), 3.7)
    assert ranking_loss(scores, ranks, everywhere(ranks)).item() == pytest.approx(math.log(2), abs=1e-6)


def test_ranking_loss_of_two_responses_is_the_standard_pairwise_loss() -> None:
    scores = torch.tensor([[0.3, 1.1]])
    loss = ranking_loss(scores, torch.tensor([[2, 1]]), everywhere(scores))
    assert loss.item() == pytest.approx(softplus(-(1.1 - 0.3)), abs=1e-6)


def test_ranking_loss_equals_the_pairs_counted_by_hand() -> None:
    scores = torch.tensor([[2.0, 0.5, 1.0, -1.0], [0.0, 1.0, 9.0, 9.0]])
    ranks = torch.tensor([[1, 3, 2, 2], [1, 2, 1, 1]])
    slots = torch.tensor([[True] * 4, [True, True, False, False]])
    # First: 1 beats 0.5, 1.0, -1.0; the two of rank 2 beat 0.5; they tie: 5 pairs.
    first = sum(softplus(-d) for d in (1.5, 1.0, 3.0, 0.5, -1.5)) / 5
    second = softplus(1.0)
    assert ranking_pairs(ranks, slots).sum(dim=(1, 2)).tolist() == [5, 1]
    assert ranking_loss(scores, ranks, slots).item() == pytest.approx((first + second) / 2, abs=1e-6)


def test_ranking_loss_equals_naive_pairwise_loss_for_nine_responses() -> None:
    scores = torch.randn(1, 9, generator=torch.Generator().manual_seed(0))
    order = list(range(9))
    naive = [softplus(float(scores[0, j] - scores[0, i])) for i, j in itertools.combinations(order, 2)]
    loss = ranking_loss(scores, torch.arange(1, 10)[None], everywhere(scores))
    assert loss.item() == pytest.approx(sum(naive) / 36, abs=1e-5)


def test_ranking_loss_ignores_padding_order_and_rank_spacing() -> None:
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(3, 5, generator=generator)
    ranks = torch.tensor([[1, 2, 3, 3, 5], [2, 1, 1, 4, 3], [1, 2, 2, 2, 2]])
    loss = ranking_loss(scores, ranks, everywhere(scores))
    order = torch.tensor([3, 0, 4, 2, 1])
    assert torch.allclose(
        loss, ranking_loss(scores[:, order], ranks[:, order], everywhere(scores)), atol=1e-6
    )
    assert torch.allclose(loss, ranking_loss(scores, ranks * 10 - 3, everywhere(scores)))
    padded_scores = torch.cat([scores, torch.full((3, 2), float("nan"))], dim=1)
    padded_ranks = torch.cat([ranks, torch.zeros(3, 2, dtype=torch.long)], dim=1)
    slots = torch.cat([everywhere(scores), torch.zeros(3, 2, dtype=torch.bool)], dim=1)
    assert torch.allclose(loss, ranking_loss(padded_scores, padded_ranks, slots))
    assert torch.allclose(loss, ranking_loss(scores + 100.0, ranks, everywhere(scores)), atol=1e-5)


def test_padding_gets_no_gradient_and_tied_responses_get_the_same() -> None:
    scores = torch.tensor([[1.0, 0.2, 0.2, 5.0]], requires_grad=True)
    slots = torch.tensor([[True, True, True, False]])
    (gradient,) = torch.autograd.grad(ranking_loss(scores, torch.tensor([[1, 2, 2, 1]]), slots), scores)
    gradient = gradient[0]
    assert gradient[3] == 0
    assert gradient[1] == gradient[2] > 0
    assert gradient.sum().abs() < 1e-6


def test_ranking_gradient_agrees_with_finite_differences() -> None:
    scores = torch.randn(2, 4, generator=torch.Generator().manual_seed(3), dtype=torch.double)
    ranks = torch.tensor([[1, 2, 2, 4], [3, 1, 2, 4]])
    slots = torch.tensor([[True] * 4, [True, True, True, False]])
    scores.requires_grad_(True)
    (gradient,) = torch.autograd.grad(ranking_loss(scores, ranks, slots), scores)
    step = 1e-2
    for place in itertools.product(range(2), range(4)):
        with torch.no_grad():
            moved = torch.zeros_like(scores)
            moved[place] = step
            up, down = (ranking_loss(scores + sign * moved, ranks, slots) for sign in (1, -1))
        assert float(up - down) / (2 * step) == pytest.approx(float(gradient[place]), abs=2e-4)


def test_ranking_loss_passes_a_double_precision_gradient_check() -> None:
    scores = torch.randn(2, 4, generator=torch.Generator().manual_seed(3), dtype=torch.double)
    ranks = torch.tensor([[1, 2, 2, 4], [3, 1, 2, 4]])
    assert torch.autograd.gradcheck(
        lambda x: ranking_loss(x, ranks, torch.ones(2, 4)), scores.requires_grad_(True)
    )


def test_ranking_without_a_pair_is_refused() -> None:
    with pytest.raises(ValueError, match="comparison 1 has no pair"):
        ranking_loss(torch.zeros(2, 2), torch.tensor([[1, 2], [1, 1]]), torch.ones(2, 2, dtype=torch.bool))


def test_policy_loss_equals_the_table() -> None:
    # ratios 1, 1.5, 0.5, 1.5, 0.5 with clip 0.2; the clip only ever takes gain away.
    ratios = torch.tensor([[1.0, 1.5, 0.5, 1.5, 0.5]])
    advantages = torch.tensor([[1.0, 1.0, 1.0, -1.0, -1.0]])
    loss = ppo_policy_loss(ratios.log(), torch.zeros(1, 5), advantages, everywhere(ratios), 0.2)
    assert loss.item() == pytest.approx(-(1.0 + 1.2 + 0.5 - 1.5 - 0.8) / 5, abs=1e-6)


def test_policy_gradient_vanishes_beyond_the_clip() -> None:
    logprobs = torch.tensor([[math.log(1.5), math.log(0.5), 0.0]], requires_grad=True)
    advantages = torch.tensor([[1.0, -1.0, 2.0]])
    loss = ppo_policy_loss(logprobs, torch.zeros(1, 3), advantages, torch.ones(1, 3, dtype=torch.bool), 0.2)
    (gradient,) = torch.autograd.grad(loss, logprobs)
    assert gradient.tolist() == [[0.0, 0.0, pytest.approx(-2 / 3)]]


def test_policy_and_value_loss_ignore_padding() -> None:
    generator = torch.Generator().manual_seed(2)
    new, old, other = (torch.randn(2, 3, generator=generator) for _ in range(3))
    mask = torch.tensor([[True, True, True], [True, False, False]])
    wide = torch.cat([mask, torch.zeros(2, 2, dtype=torch.bool)], dim=1)
    junk = torch.full((2, 2), float("inf"))

    def pad(x: Tensor) -> Tensor:
        return torch.cat([x, junk], dim=1)

    policy = ppo_policy_loss(new, old, other, mask, 0.2)
    assert torch.equal(policy, ppo_policy_loss(pad(new), pad(old), pad(other), wide, 0.2))
    value = value_loss(new, old, other, mask, 0.2)
    assert torch.allclose(value, value_loss(pad(new), pad(old), pad(other), wide, 0.2))
    padded = pad(new).requires_grad_(True)
    loss = ppo_policy_loss(padded, pad(old), pad(other), wide, 0.2) + value_loss(
        padded, pad(old), pad(other), wide, 0.2
    )
    (gradient,) = torch.autograd.grad(loss, padded)
    assert (gradient[~wide] == 0).all()


def test_value_loss_takes_the_larger_of_clipped_and_unclipped() -> None:
    values = torch.tensor([[1.0, 0.1]])
    old, returns = torch.zeros(1, 2), torch.ones(1, 2)
    # first: unclipped error 0, clipped to 0.2 gives 0.64; second: within the clip, 0.81
    assert value_loss(values, old, returns, everywhere(values), 0.2).item() == pytest.approx(
        0.5 * (0.64 + 0.81) / 2
    )
    unclipped = value_loss(values, old, returns, everywhere(values), math.inf)
    assert unclipped.item() == pytest.approx(0.5 * 0.81 / 2)


def test_sft_loss_shifts_and_counts_supervised_labels_only() -> None:
    logits = torch.zeros(1, 4, 3)
    logits[0, 1] = torch.tensor([0.0, math.log(2), 0.0])  # predicts the label at place 2
    labels = torch.tensor([[0, -100, 1, 2]])
    expected = (math.log(4 / 2) + math.log(3)) / 2
    assert sft_loss(logits, labels).item() == pytest.approx(expected, abs=1e-6)


def test_sft_loss_without_supervised_labels_is_refused() -> None:
    with pytest.raises(ValueError, match="no label is supervised"):
        sft_loss(torch.zeros(1, 3, 5), torch.tensor([[4, -100, -100]]))
