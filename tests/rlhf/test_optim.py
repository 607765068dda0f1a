"""Learning rates by hand."""

import pytest
import torch

from training.rlhf.optim import learning_rate, make_optimizer, take_step
from training.rlhf.sections import Optim


def test_cosine_falls_from_the_peak_to_a_tenth() -> None:
    config = Optim(learning_rate=1.0)
    rates = [learning_rate(config, step, 10) for step in range(11)]
    assert rates[0] == 1.0
    assert rates[5] == pytest.approx(0.55)
    assert rates[10] == pytest.approx(0.1)
    assert rates == sorted(rates, reverse=True)


def test_warm_up_rises_from_its_start_and_then_stays() -> None:
    config = Optim(learning_rate=2.0, warmup_steps=10, warmup_start_fraction=0.1, schedule="constant")
    rates = [learning_rate(config, step, 100) for step in (0, 5, 10, 99)]
    assert rates == [pytest.approx(x) for x in (0.2, 1.1, 2.0, 2.0)]


def test_linear_falls_in_equal_steps() -> None:
    config = Optim(learning_rate=1.0, schedule="linear", final_fraction=0.0)
    assert [learning_rate(config, step, 4) for step in range(4)] == [1.0, 0.75, 0.5, 0.25]


def test_a_step_is_clipped_and_one_with_no_number_is_not_taken() -> None:
    model = torch.nn.Linear(2, 1)
    optimizer = make_optimizer(model, Optim(weight_decay=0.1))
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.0]
    before = model.weight.detach().clone()
    torch.autograd.backward(model(torch.full((1, 2), float("inf"))).sum())
    norm = take_step(optimizer, model, 0.1, 1.0)
    assert norm != norm or norm == float("inf")
    assert torch.equal(model.weight, before)
    torch.autograd.backward(model(torch.full((1, 2), 100.0)).sum())
    assert take_step(optimizer, model, 0.1, 1.0) > 100
    assert not torch.equal(model.weight, before)
