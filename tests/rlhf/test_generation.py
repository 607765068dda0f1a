"""Sampling is exact, repeatable, and the same as the library's where both are deterministic."""

import math

import pytest
import torch

from training.rlhf.batching import left_pad, right_pad
from training.rlhf.decoder import LibraryDecoder, OwnDecoder
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


@pytest.mark.parametrize("n", [1, 3])
def test_written_out_layers_decode_like_the_library(model: LanguageModel, n: int) -> None:
    own, library = model.decoder(torch.float32), LibraryDecoder(model.body, model.logits)
    assert isinstance(own, OwnDecoder)
    ids, mask = left_pad(PROMPTS)
    source = torch.Generator().manual_seed(0)
    with torch.no_grad():
        assert torch.allclose(own.begin(ids, mask, n, 40), library.begin(ids, mask, n, 40), atol=1e-4)
        mine = theirs = torch.arange(3 * n)  # the first numbers of the rows that are left
        for step in range(38):  # longer than the cache grows at a time
            drawn = torch.randint(3, 300, (3 * n,), generator=source)
            ours, others = own.step(drawn[mine]), library.step(drawn[theirs])
            assert torch.allclose(ours[mine.argsort()], others[theirs.argsort()], atol=1e-4)
            if step in (3, 17, 18, 20, 25) and len(mine) > 1:
                # Some row of those that are left, and once a whole prompt.
                dead = mine // n == mine[0] // n if step == 20 else mine == mine[len(mine) // 2]
                gone = mine[dead]
                mine = mine[own.keep(~dead)]
                theirs = theirs[library.keep(~torch.isin(theirs, gone))]


def test_bfloat16_weights_sample_nearly_the_same_distribution(model: LanguageModel) -> None:
    ids, mask = left_pad(PROMPTS)
    with torch.no_grad():
        exact = model.decoder(torch.float32).begin(ids, mask, 1, 4).softmax(-1)
        rounded = model.decoder(torch.bfloat16).begin(ids, mask, 1, 4).float().softmax(-1)
    assert float((exact - rounded).abs().sum(-1).max()) < 0.1


def test_first_tokens_of_many_samples_come_as_often_as_the_model_says(model: LanguageModel) -> None:
    n = 4000
    draws = torch.rand(3 * n, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(21))
    made = generate(model, PROMPTS, n=n, max_tokens=1, eos_id=EOS, temperature=1.0, uniforms=draws)
    for i, prompt in enumerate(PROMPTS):
        ids, mask = right_pad([prompt])
        expected = model.logits(model.hidden(ids, mask)[0, -1]).softmax(-1).detach() * n
        counts = torch.bincount(made.tokens[i * n : (i + 1) * n, 0], minlength=len(expected))
        often = expected >= 5
        seen = torch.cat([counts[often], counts[~often].sum().unsqueeze(0)])
        wanted = torch.cat([expected[often], expected[~often].sum().unsqueeze(0)])
        chi_square = ((seen - wanted) ** 2 / wanted.clamp(min=1e-9)).sum()
        freedom = len(wanted) - 1
        assert float(chi_square) < freedom + 4 * (2 * freedom) ** 0.5 + 8


def test_a_large_vocabulary_keeps_the_probability_of_its_tail() -> None:
    logits = torch.full((1, 50_000), -12.0)
    logits[0, 7] = 0.0
    tail = 49_999 * math.exp(-12)  # 0.307
    draws = (torch.arange(1_000, dtype=torch.float64) + 0.5) / 1_000
    tokens, _ = sample_tokens(logits.expand(1_000, -1), 1.0, draws)
    assert float((tokens != 7).double().mean()) == pytest.approx(tail / (1 + tail), abs=2e-3)
    assert int(tokens.max()) > 49_500
