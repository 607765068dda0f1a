"""Sampling is exact, repeatable, and the same as the library's where both are deterministic."""

import torch

from training.rlhf.batching import right_pad
from training.rlhf.generation import Generated, generate, row_uniforms, sample_tokens
from training.rlhf.logprobs import response_logprobs
from training.rlhf.model import LanguageModel

PROMPTS = [[5, 9, 17, 30, 8], [40, 41], [12, 13, 14, 15, 16, 17, 18]]
EOS = 2


def sample(
    model: LanguageModel, prompts: list[list[int]], n: int, uniforms: torch.Tensor, temperature: float = 1.0
) -> Generated:
    return generate(
        model, prompts, n=n, max_tokens=12, eos_id=EOS, temperature=temperature, uniforms=uniforms
    )


def test_greedy_rows_equal_the_librarys_generate(model: LanguageModel) -> None:
    made = sample(model, PROMPTS, 1, row_uniforms(3, 12, 0), temperature=0)
    for prompt, ours in zip(PROMPTS, made.rows(), strict=True):
        theirs = model.causal.generate(
            torch.tensor([prompt]),
            max_new_tokens=12,
            do_sample=False,
            eos_token_id=EOS,
            pad_token_id=0,
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        )
        assert ours == theirs[0, len(prompt) :].tolist()


def test_a_row_does_not_depend_on_its_batch(model: LanguageModel) -> None:
    uniforms = row_uniforms(6, 12, 7)
    together = sample(model, PROMPTS, 2, uniforms).rows()
    for i, prompt in enumerate(PROMPTS):
        assert sample(model, [prompt], 2, uniforms[2 * i : 2 * i + 2]).rows() == together[2 * i : 2 * i + 2]


def test_seeds_repeat_and_differ(model: LanguageModel) -> None:
    again = [sample(model, PROMPTS, 2, row_uniforms(6, 12, seed)).rows() for seed in (1, 1, 2)]
    assert again[0] == again[1] != again[2]
    assert len({tuple(row) for row in again[0]}) > 3


def test_logprobs_are_those_of_the_model_at_the_temperature(model: LanguageModel) -> None:
    made = sample(model, PROMPTS, 1, row_uniforms(3, 12, 3), temperature=0.7)
    for prompt, response, logprobs in zip(PROMPTS, made.rows(), made.logprobs, strict=True):
        ids, mask = right_pad([prompt + response])
        logits = model.logits(model.hidden(ids, mask))[:, len(prompt) - 1 : -1]
        expected = response_logprobs(logits, torch.tensor([response]), 0.7)[0]
        assert torch.allclose(logprobs[: len(response)], expected, atol=1e-4)
        assert (logprobs[len(response) :] == 0).all()


def test_rows_end_at_their_end_token_or_at_the_limit(model: LanguageModel) -> None:
    made = sample(model, PROMPTS, 30, row_uniforms(90, 12, 11))
    for row, ended in zip(made.rows(), made.ended.tolist(), strict=True):
        assert row.count(EOS) == int(ended)
        assert ended == (row[-1] == EOS)
        assert ended or len(row) == 12


def test_tokens_come_as_often_as_their_probability_says() -> None:
    probabilities = torch.tensor([0.5, 0.0, 0.3, 0.2])
    draws = row_uniforms(20000, 1, 5)[:, 0]
    tokens, logprobs = sample_tokens(probabilities.log().expand(20000, 4), 1.0, draws)
    counts = torch.bincount(tokens, minlength=4)
    assert counts[1] == 0
    expected = probabilities * 20000
    chi_square = ((counts - expected) ** 2 / expected.clamp(min=1)).sum()
    assert chi_square < 13.8  # 0.999 quantile with 2 degrees of freedom
    assert torch.allclose(logprobs.exp(), probabilities[tokens], atol=1e-6)


def test_the_ends_of_the_unit_interval_are_valid_tokens() -> None:
    logits = torch.tensor([[float("-inf"), 0.0, 0.0, float("-inf")]] * 2)
    tokens, _ = sample_tokens(logits, 1.0, torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64))
    assert tokens.tolist() == [1, 2]
