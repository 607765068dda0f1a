"""Tokens that nobody reads are left out of the last layer, and nothing else changes."""

import pytest
import torch

from training.rlhf.batching import left_pad
from training.rlhf.model import LanguageModel
from training.rlhf.narrowing import last_layer_at

ROWS = [[5, 9, 17, 30, 8, 7], [40, 41], [12, 13, 14, 15]]


@pytest.fixture
def rows() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    ids, mask = left_pad(ROWS)
    read = mask & (torch.arange(ids.shape[1]) >= 3)
    return ids, mask, read


@pytest.mark.parametrize("packed", [True, False])
def test_states_and_gradients_are_those_of_the_whole_layer(
    model: LanguageModel,
    rows: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
    packed: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids, mask, read = rows
    monkeypatch.setattr(model.body, "packs", packed)
    found = []
    for states in (model.hidden(ids, mask)[read], model.hidden(ids, mask, read=read)):
        model.zero_grad()
        torch.autograd.backward(states.square().sum())
        parameters = model.body.module.named_parameters()
        grads = {name: x.grad.clone() for name, x in parameters if x.grad is not None}
        found.append((states.detach(), grads))
    (whole, expected), (narrow, grads) = found
    assert torch.allclose(narrow, whole, rtol=1e-5, atol=1e-6)
    assert grads.keys() == expected.keys()
    assert all(torch.allclose(grads[name], expected[name], rtol=1e-4, atol=1e-5) for name in grads)


def test_the_last_layer_sees_as_many_tokens_as_are_read(
    model: LanguageModel, rows: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
) -> None:
    ids, mask, read = rows
    layers = model.body.module.h if hasattr(model.body.module, "h") else model.body.module.layers
    seen = []
    for layer in layers:
        inner = layer.mlp.down_proj if hasattr(layer.mlp, "down_proj") else layer.mlp.c_proj
        inner.register_forward_hook(lambda _part, given, _out: seen.append(given[0][..., 0].numel()))
    model.hidden(ids, mask, read=read)
    assert seen == [int(mask.sum())] * (len(layers) - 1) + [int(read.sum())]
    model.hidden(ids, mask)
    assert seen[-1] == int(mask.sum())


def test_an_unknown_transformer_computes_its_last_layer_whole() -> None:
    part = torch.nn.Linear(2, 2)
    with last_layer_at(part, torch.tensor([0])):
        assert part(torch.ones(3, 2)).shape == (3, 2)
