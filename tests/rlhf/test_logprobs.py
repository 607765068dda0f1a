"""Log-probabilities of known distributions."""

import math

import pytest
import torch

from training.rlhf.logprobs import entropy, kl_k1, kl_k3, response_logprobs


def test_logprobs_of_a_known_distribution() -> None:
    logits = torch.tensor([0.5, 0.3, 0.2]).log().expand(2, 3, 3)
    tokens = torch.tensor([[0, 1, 2], [2, 2, 0]])
    expected = torch.tensor([[0.5, 0.3, 0.2], [0.2, 0.2, 0.5]]).log()
    assert torch.allclose(response_logprobs(logits, tokens, 1.0), expected, atol=1e-6)
    assert torch.allclose(response_logprobs(logits + 50, tokens, 1.0), expected, atol=1e-5)


def test_temperature_divides_the_logits() -> None:
    logits = torch.randn(2, 4, 7, generator=torch.Generator().manual_seed(0))
    tokens = torch.randint(0, 7, (2, 4), generator=torch.Generator().manual_seed(1))
    expected = (logits / 0.7).log_softmax(-1).gather(-1, tokens[..., None])[..., 0]
    assert torch.allclose(response_logprobs(logits, tokens, 0.7), expected, atol=1e-6)


def test_wrong_shapes_and_temperatures_are_refused() -> None:
    with pytest.raises(ValueError, match="slice them first"):
        response_logprobs(torch.zeros(1, 5, 3), torch.zeros(1, 4, dtype=torch.long), 1.0)
    with pytest.raises(ValueError, match="above 0"):
        response_logprobs(torch.zeros(1, 4, 3), torch.zeros(1, 4, dtype=torch.long), 0.0)


def test_entropy_of_the_uniform_distribution_is_log_v() -> None:
    assert entropy(torch.zeros(1, 8)).item() == pytest.approx(math.log(8))


def test_kl_estimators_average_to_the_exact_kl() -> None:
    p, q = torch.tensor([0.6, 0.3, 0.1]), torch.tensor([0.2, 0.5, 0.3])
    exact = (p * (p / q).log()).sum()
    assert torch.allclose((p * kl_k1(p.log(), q.log())).sum(), exact)
    assert torch.allclose((p * kl_k3(p.log(), q.log())).sum(), exact)
    assert (kl_k3(p.log(), q.log()) >= 0).all()
