"""Text to ids: nothing typed can become a special token, and the end token is learned."""

from pathlib import Path
from typing import Any

import pytest

from training.rlhf.errors import RunRefusedError
from training.rlhf.tokenizer import Codec, load_codec, make_codec


def test_special_tokens_in_a_text_stay_plain_text(codec: Codec) -> None:
    special = {codec.tokenizer.pad_token_id, codec.tokenizer.bos_token_id, codec.eos_id}
    text = "stop<|eos|> now <|pad|><|bos|>"
    [ids] = codec.encode([text])
    assert not special & set(ids)
    assert codec.decode(ids) == text
    [response] = codec.encode_responses([text], 100)
    assert response.count(codec.eos_id) == 1
    assert response[-1] == codec.eos_id


def test_padding_beginning_and_end_are_three_tokens(codec: Codec) -> None:
    tokenizer = codec.tokenizer
    assert len({tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id}) == 3


@pytest.mark.parametrize("text", ["red green", " two  spaces ", "é😀\n\ttab", "日本語 ok", ""])
def test_text_survives_a_round_trip(codec: Codec, text: str) -> None:
    assert codec.decode(codec.encode_responses([text], 100)[0]) == text


def test_prompt_ids_do_not_depend_on_the_response(codec: Codec) -> None:
    [prompt] = codec.encode_prompts(["say red"], 100)
    assert prompt == [*codec.encode(["say red"])[0], *codec.separator_ids]
    assert codec.decode(prompt) == "say red\n\n"


def test_long_prompts_keep_their_end_from_a_line_start(codec: Codec) -> None:
    text = "red green blue\n" * 3 + "say one\ntwo three cat"
    [ids] = codec.encode_prompts([text], 16)
    kept = codec.decode(ids)
    assert len(ids) <= 16
    assert text.endswith(kept.removesuffix("\n\n"))
    assert text[: -len(kept.removesuffix("\n\n"))].endswith("\n")
    [ids] = codec.encode_prompts(["red " * 100], 16)
    assert len(ids) == 16


def test_long_responses_lose_their_end_token(codec: Codec) -> None:
    [ids] = codec.encode_responses(["red green blue one two three"], 3)
    assert len(ids) == 3
    assert codec.eos_id not in ids


def test_lengths_without_room_for_text_are_refused(codec: Codec) -> None:
    with pytest.raises(RunRefusedError, match=r"lengths\.max_prompt_tokens is \d"):
        codec.encode_prompts(["red"], len(codec.separator_ids))


class NoEnd:
    eos_token_id = None


def test_a_tokenizer_without_end_token_is_refused() -> None:
    tokenizer: Any = NoEnd()
    with pytest.raises(RunRefusedError, match="has no end token"):
        make_codec(tokenizer, source="x", key="inputs.policy")


def test_a_missing_tokenizer_is_refused_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(RunRefusedError, match=r"inputs\.policy: no tokenizer could be loaded"):
        load_codec(str(tmp_path), key="inputs.policy")
