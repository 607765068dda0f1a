"""A streamed response is the one that sampling makes, in pieces that add up to its text."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.rlhf.generation import generate, row_uniforms
from training.rlhf.model import LanguageModel
from training.rlhf.streaming import keep_nucleus, stream_text, stream_tokens
from training.rlhf.tokenizer import Codec

PROMPT = [5, 9, 17, 30, 8]
EOS = 2


@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_streamed_tokens_are_those_of_generate(model: LanguageModel, temperature: float) -> None:
    uniforms = row_uniforms(1, 20, 3)
    made = generate(
        model, [PROMPT], n=1, max_tokens=20, eos_id=EOS, temperature=temperature, uniforms=uniforms
    )
    streamed = stream_tokens(
        model, PROMPT, max_tokens=20, eos_id=EOS, temperature=temperature, top_p=1.0, uniforms=uniforms
    )
    assert list(streamed) == made.rows()[0]


def test_two_streams_in_turn_do_not_touch_each_other(model: LanguageModel) -> None:
    def stream(seed: int) -> list[int]:
        return list(make(seed))

    def make(seed: int):  # type: ignore[no-untyped-def]
        return stream_tokens(
            model, PROMPT, max_tokens=12, eos_id=EOS, temperature=1.0, top_p=0.9,
            uniforms=row_uniforms(1, 12, seed),
        )  # fmt: skip

    alone = [stream(1), stream(2)]
    first, second = make(1), make(2)
    together: list[list[int]] = [[], []]
    for _ in range(12):
        for at, each in enumerate((first, second)):
            together[at] += [token for token in [next(each, None)] if token is not None]
    assert together == alone
    assert torch.get_float32_matmul_precision() == "highest"


def test_nucleus_by_hand() -> None:
    logits = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    kept = [keep_nucleus(logits, 1.0, top_p).isfinite()[0].tolist() for top_p in (1.0, 0.96, 0.9, 0.5, 0.01)]
    assert kept == [
        [True] * 4,
        [True] * 4,
        [True, True, True, False],
        [True, False, False, False],
        [True, False, False, False],
    ]


def test_nucleus_follows_the_temperature() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    cold, hot = (int(keep_nucleus(logits, t, 0.7).isfinite().sum()) for t in (0.1, 10.0))
    assert (cold, hot) == (1, 3)


def test_nucleus_draws_only_from_what_is_kept(model: LanguageModel) -> None:
    greedy, nucleus = (
        list(
            stream_tokens(
                model,
                PROMPT,
                max_tokens=10,
                eos_id=EOS,
                temperature=t,
                top_p=p,
                uniforms=row_uniforms(1, 10, 5),
            )
        )
        for t, p in ((0.0, 1.0), (1.0, 1e-9))
    )
    assert greedy == nucleus


@given(text=st.text(max_size=60))
def test_pieces_add_up_to_the_text(codec: Codec, text: str) -> None:
    ids = codec.encode([text])[0]
    pieces = list(stream_text(codec, iter([*ids, codec.eos_id])))
    assert "".join(piece for piece, _ in pieces) == codec.decode(ids)
    assert [count for _, count in pieces] == sorted(count for _, count in pieces)


def test_a_character_of_several_tokens_comes_whole(codec: Codec) -> None:
    ids = codec.encode(["🙂 yes"])[0]
    pieces = [piece for piece, _ in stream_text(codec, iter(ids)) if piece]
    assert pieces[0].startswith("🙂")
    assert not any("\ufffd" in piece for piece in pieces)


def test_bytes_that_are_no_character_still_come_out(codec: Codec) -> None:
    broken = codec.encode(["🙂"])[0][:1]
    text = "".join(piece for piece, _ in stream_text(codec, iter([*broken, *codec.encode([" a b c d"])[0]])))
    assert text == codec.decode([*broken, *codec.encode([" a b c d"])[0]])
