"""Statistics see real tokens only."""

import pytest
import torch

from training.rlhf.masking import explained_variance, last_real, masked_mean, masked_whiten, only_last

X = torch.tensor([[1.0, 2.0, float("nan")], [3.0, float("inf"), 6.0]])
MASK = torch.tensor([[True, True, False], [True, False, True]])


def test_masked_mean_counts_real_tokens_only() -> None:
    assert masked_mean(X, MASK).item() == pytest.approx(3.0)
    assert masked_mean(X, torch.zeros_like(MASK)).item() == 0.0


def test_whitened_values_have_mean_0_and_population_variance_1() -> None:
    white = masked_whiten(X, MASK)
    assert (white[~MASK] == 0).all()
    assert white[MASK].mean().item() == pytest.approx(0.0, abs=1e-6)
    assert white[MASK].pow(2).mean().item() == pytest.approx(1.0, abs=1e-5)
    kept = masked_whiten(X, MASK, shift_mean=False)
    assert kept[MASK].mean().item() == pytest.approx(3.0, abs=1e-5)


def test_whitening_does_not_change_with_more_padding() -> None:
    wide = torch.cat([X, torch.full((2, 3), 1e9)], dim=1)
    wide_mask = torch.cat([MASK, torch.zeros(2, 3, dtype=torch.bool)], dim=1)
    assert torch.equal(masked_whiten(wide, wide_mask)[:, :3], masked_whiten(X, MASK))


def test_equal_values_whiten_to_zero() -> None:
    assert (masked_whiten(torch.full((1, 3), 5.0), torch.ones(1, 3, dtype=torch.bool)) == 0).all()


def test_last_real_token_is_found_on_either_padding_side() -> None:
    mask = torch.tensor([[True, False, False], [False, True, True], [True, True, False]])
    assert last_real(mask).tolist() == [0, 2, 1]
    assert only_last(mask).nonzero().tolist() == [[0, 0], [1, 2], [2, 1]]
    assert not only_last(torch.zeros(1, 3, dtype=torch.bool)).any()
    with pytest.raises(ValueError, match="no real token"):
        last_real(torch.zeros(1, 3, dtype=torch.bool))


def test_explained_variance_of_perfect_and_constant_values() -> None:
    returns = torch.tensor([[1.0, 2.0, 3.0]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert explained_variance(returns + 4, returns, mask).item() == pytest.approx(1.0)
    assert explained_variance(torch.zeros(1, 3), returns, mask).item() == pytest.approx(0.0)
    assert explained_variance(returns, torch.ones(1, 3), mask).item() == 0.0
