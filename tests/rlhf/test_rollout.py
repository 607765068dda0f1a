"""Every model of a rollout reads the same tokens at the same places."""

from typing import Any

import pytest
import torch

from tests.rlhf.conftest import tiny_model
from tests.rlhf.stages import shake
from training.rlhf.advantages import penalized_rewards
from training.rlhf.batching import right_pad
from training.rlhf.generation import row_uniforms
from training.rlhf.logprobs import response_logprobs
from training.rlhf.model import LanguageModel, RewardModel
from training.rlhf.rollout import Models, Rollout, collect_rollout, token_logprobs
from training.rlhf.tokenizer import Codec

PROMPTS = [[5, 9, 17, 30, 8], [40, 41], [12, 13, 14, 15, 16, 17, 18], [6], [7, 8, 9]]


def rollout_of(models: Models, codec: Codec, *, seed: int = 0, missing: float | None = None) -> Rollout:
    return collect_rollout(
        models,
        codec,
        PROMPTS,
        max_tokens=6,
        temperature=0.8,
        microbatch_size=2,
        uniforms=row_uniforms(len(PROMPTS), 6, "rollout", seed),
        missing_eos_score=missing,
    )


def scalar_model(codec: Codec, shape: str) -> RewardModel:
    model = RewardModel(tiny_model(codec, shape, seed=4).causal.base_model, bias=0.2).eval()
    shake(model)
    return model


def responses(rollout: Rollout) -> list[list[int]]:
    return [row[kept].tolist() for row, kept in zip(rollout.tokens, rollout.response_mask, strict=True)]


def test_each_row_reads_as_it_would_alone(model: LanguageModel, codec: Codec, shape: str) -> None:
    reference, scalar = tiny_model(codec, shape, seed=9), scalar_model(codec, shape)
    rollout = rollout_of(Models(model, reference, scalar, scalar), codec)
    for row, (prompt, response) in enumerate(zip(PROMPTS, responses(rollout), strict=True)):
        n = len(response)
        ids, mask = right_pad([prompt + response])
        for causal, found in ((model, rollout.logprobs), (reference, rollout.ref_logprobs)):
            logits = causal.logits(causal.hidden(ids, mask))[:, len(prompt) - 1 : -1]
            expected = response_logprobs(logits, torch.tensor([response]), 0.8)[0]
            assert torch.allclose(found[row, :n], expected, atol=1e-4)
            assert (found[row, n:] == 0).all()
        values = scalar.values(ids, mask)[0]
        assert torch.allclose(rollout.values[row, :n], values[len(prompt) - 1 : -1], atol=1e-4)
        assert torch.allclose(rollout.scores[row], values[-1], atol=1e-4)


def test_policy_equal_to_reference_has_no_kl_at_all(model: LanguageModel, codec: Codec) -> None:
    rollout = rollout_of(Models(model, model), codec)
    assert (rollout.kl() == 0).all()


def test_stored_logprobs_are_exactly_those_training_computes(model: LanguageModel, codec: Codec) -> None:
    rollout = rollout_of(Models(model), codec)
    for part in rollout.microbatches(2):
        again = token_logprobs(model, part, 0.8)
        assert torch.equal(again.detach(), part.logprobs)


def test_microbatches_drop_padding_columns_and_no_token(model: LanguageModel, codec: Codec) -> None:
    rollout = rollout_of(Models(model), codec)
    parts = rollout.microbatches(2)
    assert [len(part.tokens) for part in parts] == [2, 2, 1]
    assert parts[2].prompts.tolist() == [PROMPTS[4]]
    assert sum(int(part.response_mask.sum()) for part in parts) == int(rollout.response_mask.sum())


def test_groups_above_the_budget_of_tokens_are_cut_again(model: LanguageModel, codec: Codec) -> None:
    rollout = rollout_of(Models(model), codec)
    lengths = rollout.mask().sum(dim=1).tolist()
    assert rollout.cuts(4) == [(0, 4), (4, 5)]
    assert rollout.cuts(4, 1) == [(row, row + 1) for row in range(5)]
    for budget in range(max(lengths), sum(lengths) + 1):
        cuts = rollout.cuts(4, budget)
        assert [row for start, end in cuts for row in range(start, end)] == list(range(5))
        assert all(sum(lengths[start:end]) <= budget for start, end in cuts)
        assert 4 in [start for start, _ in cuts]  # where a group of rows begins a forward pass begins


@pytest.mark.parametrize("given", [{"at_once": 2}, {"at_once": 3, "samples": 2}, {"samples": 2}])
def test_samples_are_the_same_however_many_are_decoded_at_once(
    model: LanguageModel, codec: Codec, given: dict[str, Any]
) -> None:
    prompts = [prompt for prompt in PROMPTS for _ in range(2)]
    uniforms = row_uniforms(len(prompts), 6, "together")
    shared: dict[str, Any] = {
        "max_tokens": 6, "temperature": 0.8, "microbatch_size": 2, "uniforms": uniforms,
    }  # fmt: skip
    whole = collect_rollout(Models(model), codec, prompts, **shared)
    parts = collect_rollout(Models(model), codec, prompts, **shared, **given)
    assert torch.equal(whole.tokens, parts.tokens)
    assert torch.equal(whole.prompts, parts.prompts)
    assert torch.equal(whole.logprobs, parts.logprobs)
    assert torch.equal(whole.ended, parts.ended)


def test_a_response_without_end_scores_at_most_the_limit(codec: Codec, shape: str) -> None:
    model, scalar = tiny_model(codec, shape), scalar_model(codec, shape)
    free = rollout_of(Models(model, None, scalar), codec)
    limited = rollout_of(Models(model, None, scalar), codec, missing=-50.0)
    assert not free.ended.all()
    assert torch.equal(limited.scores[free.ended], free.scores[free.ended])
    assert (limited.scores[~free.ended] == -50).all()
    lenient = rollout_of(Models(model, None, scalar), codec, missing=50.0)
    assert torch.equal(lenient.scores, free.scores)  # it is a ceiling, never a gift


def test_token_rewards_sum_to_score_minus_kl(codec: Codec, shape: str) -> None:
    models = Models(tiny_model(codec, shape), tiny_model(codec, shape, seed=9), scalar_model(codec, shape))
    rollout = rollout_of(models, codec)
    rewards = penalized_rewards(
        rollout.scores, rollout.logprobs, rollout.ref_logprobs, rollout.response_mask, 0.1
    )
    assert torch.allclose(rewards.sum(1), rollout.scores - 0.1 * rollout.kl(), atol=1e-5)


def test_kl_from_another_model_is_positive_on_average_though_not_in_every_row(codec: Codec) -> None:
    model, other = tiny_model(codec, "llama"), tiny_model(codec, "llama", seed=9)
    found = torch.cat([rollout_of(Models(model, other), codec, seed=seed).kl() for seed in range(20)])
    assert found.mean() > 0
    assert found.min() < 0


@pytest.mark.parametrize("seed", [1, 2])
def test_rollouts_repeat_from_their_seed(model: LanguageModel, codec: Codec, seed: int) -> None:
    first, again = (rollout_of(Models(model), codec, seed=seed) for _ in range(2))
    assert torch.equal(first.tokens, again.tokens)
    assert not torch.equal(first.tokens, rollout_of(Models(model), codec, seed=seed + 10).tokens)
