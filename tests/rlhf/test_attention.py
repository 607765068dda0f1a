"""Packed rows and shared prompts say what separate rows say, whichever way attention is computed."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GPTNeoXConfig, GPTNeoXModel, LlamaConfig, LlamaModel, MistralConfig, MistralModel

from tests.rlhf.conftest import tiny_model
from training.rlhf import attention
from training.rlhf.batching import left_pad, right_pad
from training.rlhf.body import Body
from training.rlhf.layout import pack_groups, pack_rows
from training.rlhf.losses import ranking_loss
from training.rlhf.model import RewardModel
from training.rlhf.tokenizer import Codec

Groups = tuple[list[list[int]], list[list[list[int]]]]
EVEN: Groups = (
    [[5, 6, 7], [8, 9, 10]],
    [[[11, 12, 1], [13, 14, 1], [19, 20, 1]], [[15, 16, 1], [17, 18, 1], [21, 22, 1]]],
)
UNEVEN: Groups = (
    [[5, 6, 7, 40, 41], [8], [50, 51]],
    [[[11, 1], [13, 14, 15, 16, 1], [1]], [[15, 16, 1], [17, 1]], [[18, 19, 20, 1], [1], [2, 1], [3, 1]]],
)
ROWS = [[5, 9, 17, 30, 8], [40, 41], [12, 13, 14, 15, 16, 17, 18], [99]]


@pytest.fixture(params=["products", "fused"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Own products, and torch's fused kernel, which long rows and GPUs take."""
    if request.param == "fused":
        monkeypatch.setattr(attention, "PRODUCTS_UP_TO", 0)
    return str(request.param)


@pytest.fixture
def reward_model(codec: Codec, shape: str) -> RewardModel:
    return RewardModel(tiny_model(codec, shape).causal.base_model, seed=3)


def gradient(model: nn.Module, loss: Tensor) -> Tensor:
    model.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def loss_of(scores: Tensor, groups: Groups) -> Tensor:
    """The ranking loss of responses that stand best first."""
    sizes = [len(group) for group in groups[1]]
    mask = torch.arange(max(sizes)) < torch.tensor(sizes).unsqueeze(1)
    ranks = torch.arange(1, max(sizes) + 1).expand(len(sizes), -1)
    return ranking_loss(torch.zeros(mask.shape).masked_scatter(mask, scores), ranks, mask)


def loss_of_pairs(model: RewardModel, groups: Groups) -> Tensor:
    """The same loss as a pair trainer computes it: every pair as two rows, one row at a time."""
    found = []
    for prompt, responses in zip(*groups, strict=True):
        each = []
        for better, worse in itertools.combinations(responses, 2):
            first, second = (model.scores(*right_pad([prompt + r])) for r in (better, worse))
            each.append(-F.logsigmoid(first - second))
        found.append(torch.cat(each).mean())
    return torch.stack(found).mean()


@pytest.mark.parametrize("groups", [EVEN, UNEVEN], ids=["even", "uneven"])
def test_a_shared_prompt_scores_and_teaches_like_separate_rows_and_like_all_pairs(
    reward_model: RewardModel, groups: Groups, way: str
) -> None:
    prompts, responses = groups
    alone = torch.cat(
        [
            reward_model.scores(*right_pad([prompt + r]))
            for prompt, group in zip(prompts, responses, strict=True)
            for r in group
        ]
    )
    shared = reward_model.score_groups(prompts, responses, share_prompt=True)
    separate = reward_model.score_groups(prompts, responses, share_prompt=False)
    assert torch.allclose(shared, alone, rtol=1e-5, atol=1e-6)
    assert torch.allclose(separate, alone, rtol=1e-5, atol=1e-6)

    truth = loss_of_pairs(reward_model, groups)
    expected = gradient(reward_model, truth)
    for share in (True, False):
        loss = loss_of(reward_model.score_groups(prompts, responses, share_prompt=share), groups)
        assert loss.item() == pytest.approx(truth.item(), rel=1e-5)
        found = gradient(reward_model, loss)
        assert float((found - expected).norm() / expected.norm()) < 1e-5


def test_the_tokens_of_a_shared_prompt_are_forwarded_once(reward_model: RewardModel) -> None:
    read: list[int] = []
    embedding = reward_model.trunk.get_input_embeddings()
    hook = embedding.register_forward_hook(lambda _m, given, _o: read.append(given[0].numel()))
    for groups in (EVEN, UNEVEN):
        reward_model.score_groups(*groups, share_prompt=True)
        written = sum(len(r) for group in groups[1] for r in group)
        assert read.pop() == sum(map(len, groups[0])) + written
    hook.remove()
    assert not read


def test_responses_of_one_prompt_do_not_see_each_other(reward_model: RewardModel) -> None:
    def score(second: list[int]) -> Tensor:
        return reward_model.score_groups([[5, 6, 7]], [[[8, 9], second]], share_prompt=True)[0]

    assert score([10, 11]).item() == pytest.approx(score([12, 13]).item(), abs=1e-6)


@pytest.mark.parametrize("pad", [left_pad, right_pad])
def test_packed_rows_read_and_learn_like_rows_alone(reward_model: RewardModel, way: str, pad: Any) -> None:
    ids, mask = pad(ROWS)
    values = reward_model.values(ids, mask)
    apart = [reward_model.values(*right_pad([row]))[0] for row in ROWS]
    assert torch.allclose(values[mask], torch.cat(apart), atol=1e-5)
    together = gradient(reward_model, values[mask].square().mean())
    alone = gradient(
        reward_model,
        torch.cat([reward_model.values(*right_pad([row]))[0] for row in ROWS]).square().mean(),
    )
    assert float((together - alone).norm() / alone.norm()) < 1e-5


def test_padding_is_never_multiplied(reward_model: RewardModel) -> None:
    read: list[int] = []
    embedding = reward_model.trunk.get_input_embeddings()
    hook = embedding.register_forward_hook(lambda _m, given, _o: read.append(given[0].numel()))
    reward_model.values(*left_pad(ROWS, 64))
    hook.remove()
    assert read == [sum(map(len, ROWS))]


def test_how_rows_are_split_into_batches_changes_nothing(reward_model: RewardModel) -> None:
    def learn(parts: list[list[list[int]]]) -> Tensor:
        losses = [reward_model.scores(*right_pad(part)).square().sum() for part in parts]
        return gradient(reward_model, torch.stack(losses).sum())

    whole = learn([ROWS])
    for parts in ([ROWS[:2], ROWS[2:]], [[row] for row in ROWS]):
        assert float((learn(parts) - whole).norm() / whole.norm()) < 1e-5


def test_grouped_query_heads_are_shared_rightly() -> None:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=128, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64,
    )  # fmt: skip
    model = RewardModel(LlamaModel(config)).eval()
    assert model.body.packs
    shared = model.score_groups(*UNEVEN, share_prompt=True)
    rows = [p + r for p, group in zip(*UNEVEN, strict=True) for r in group]
    alone = torch.cat([model.scores(*right_pad([row])) for row in rows])
    assert torch.allclose(shared, alone, atol=1e-5)


def test_flex_attention_reads_a_packed_row_like_products() -> None:
    torch.manual_seed(0)
    prompts, responses = right_pad(UNEVEN[0]), [r for group in UNEVEN[1] for r in [*group, [], []][:4]]
    for plain, flex in (
        [pack_rows(*right_pad(ROWS), flex=flex) for flex in (False, True)],
        [pack_groups(prompts, right_pad(responses), flex=flex) for flex in (False, True)],
    ):
        q, k, v = (torch.randn(1, 2, plain.ids.shape[1], 16) for _ in range(3))
        ours, _ = attention.attend(None, q, k, v, None, layout=plain.layout)
        with torch.no_grad():  # on a CPU it has no backward pass
            theirs, _ = attention.attend(None, q, k, v, None, layout=flex.layout)
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_models_that_cannot_be_packed_take_padded_rows() -> None:
    torch.manual_seed(0)
    config = MistralConfig(
        vocab_size=128, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, sliding_window=4,
    )  # fmt: skip
    model = RewardModel(MistralModel(config)).eval()
    assert not model.body.packs
    shared = model.score_groups(*UNEVEN, share_prompt=True)
    rows = [p + r for p, group in zip(*UNEVEN, strict=True) for r in group]
    alone = torch.cat([model.scores(*right_pad([row])) for row in rows])
    assert torch.allclose(shared, alone, atol=1e-4)


def test_another_architecture_of_the_library_packs_as_well() -> None:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=128, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
        max_position_embeddings=64,
    )  # fmt: skip
    model = RewardModel(GPTNeoXModel(config)).eval()
    assert model.body.packs
    ids, mask = left_pad(ROWS)
    apart = torch.cat([model.values(*right_pad([row]))[0] for row in ROWS])
    assert torch.allclose(model.values(ids, mask)[mask], apart, atol=1e-5)


def test_dropout_of_attention_still_drops_in_packed_rows() -> None:
    config = LlamaConfig(
        vocab_size=128, hidden_size=32, intermediate_size=48, num_hidden_layers=1, num_attention_heads=2,
        max_position_embeddings=64, attention_dropout=0.5,
    )  # fmt: skip
    body = Body(LlamaModel(config).train())
    ids, mask = right_pad(ROWS)
    torch.manual_seed(0)
    first = body.run(ids, mask)
    assert not torch.allclose(first, body.run(ids, mask), atol=1e-3)


def test_dropout_of_attention_still_drops_where_flex_is_asked_for() -> None:
    torch.manual_seed(0)
    packed = pack_rows(*right_pad(ROWS), flex=True)
    q, k, v = (torch.randn(1, 2, packed.ids.shape[1], 16) for _ in range(3))
    with torch.no_grad():
        kept, _ = attention.attend(None, q, k, v, None, layout=packed.layout)
        first, second = (
            attention.attend(None, q, k, v, None, dropout=0.5, layout=packed.layout)[0] for _ in range(2)
        )
    assert not torch.allclose(first, second, atol=1e-3)
    assert not torch.allclose(first, kept, atol=1e-3)
