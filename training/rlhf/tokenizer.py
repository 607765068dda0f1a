"""Text to token ids and back, with one rule for where a prompt ends and a response begins.

A row is: prompt ids + separator ids + response ids + end token. Prompt and response are encoded apart, so
that the ids of a prompt never depend on the response. Special tokens written in a text stay plain text:
nobody can end a response by typing `<|eos|>`. A prompt that is too long loses its beginning, at a line end
where one is near; a response that is too long loses its end and with it the end token, so that nothing
learns to stop there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from training.rlhf.errors import RunRefusedError

DEFAULT_SEPARATOR = "\n\n"
ABOUT_FILE = "instructloop.json"


@dataclass(frozen=True)
class Codec:
    """A tokenizer together with the separator and the special ids the core needs."""

    tokenizer: Any
    separator: str
    eos_id: int
    first_ids: tuple[int, ...]
    cut: Counter[str] = field(default_factory=Counter, compare=False)
    """How many prompts had to be cut so far."""

    @cached_property
    def separator_ids(self) -> tuple[int, ...]:
        """Ids of the separator, encoded alone."""
        return tuple(self.encode([self.separator])[0]) if self.separator else ()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode texts as plain text, without adding any special token."""
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(
            list(texts), add_special_tokens=False, split_special_tokens=True, return_attention_mask=False
        )["input_ids"]
        return ids

    def encode_prompts(self, prompts: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Encode prompts, each ending in the separator, at most max_tokens long."""
        room = max_tokens - len(self.separator_ids) - len(self.first_ids)
        if room < 1:
            raise RunRefusedError(
                f"lengths.max_prompt_tokens is {max_tokens}; the separator alone takes "
                f"{max_tokens - room} tokens, so allowed is more than that."
            )
        encoded = self.encode(prompts)
        self.cut["prompts"] += sum(len(ids) > room for ids in encoded)
        return [[*self.first_ids, *self._keep_end(ids, room), *self.separator_ids] for ids in encoded]

    def encode_responses(self, responses: Sequence[str], max_tokens: int) -> list[list[int]]:
        """Encode responses, each with the end token unless it had to be cut at max_tokens."""
        return [[*ids, self.eos_id][:max_tokens] for ids in self.encode(responses)]

    def is_cut(self, response: Sequence[int]) -> bool:
        """Whether a response from encode_responses, or a row that ends in one, lost its end."""
        return response[-1] != self.eos_id

    def encode_documents(self, texts: Sequence[str]) -> list[list[int]]:
        """Encode whole texts, each with the end token, for pretraining."""
        return [[*self.first_ids, *ids, self.eos_id] for ids in self.encode(texts)]

    def decode(self, ids: Sequence[int]) -> str:
        """Turn ids into text; special tokens vanish, spaces stay as they are."""
        text: str = self.tokenizer.decode(
            list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    def _keep_end(self, ids: list[int], room: int) -> list[int]:
        if len(ids) <= room:
            return ids
        kept = ids[-room:]
        for place, token in enumerate(kept[: room // 2]):
            if self.tokenizer.decode([token]).endswith("\n"):
                return kept[place + 1 :]
        return kept


def load_codec(source: str, *, key: str) -> Codec:
    """Load the tokenizer of a model folder or hub id.

    key     the setting that named the model, for messages
    raises  RunRefusedError if there is no tokenizer or it has no end token
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise RunRefusedError(
            f"{key}: no tokenizer could be loaded from {source}: {first_line(error)}"
        ) from None
    return make_codec(tokenizer, source=source, key=key)


def make_codec(tokenizer: Any, *, source: str, key: str) -> Codec:
    """Wrap a tokenizer, reading the separator from the model's instructloop.json where there is one."""
    if tokenizer.eos_token_id is None:
        raise RunRefusedError(f"{key}: the tokenizer of {source} has no end token; set eos_token in it.")
    with_special = tokenizer("a")["input_ids"]
    bos = tokenizer.bos_token_id
    first = (bos,) if bos is not None and with_special and with_special[0] == bos else ()
    separator = str(read_about(source).get("separator", DEFAULT_SEPARATOR))
    return Codec(tokenizer, separator, int(tokenizer.eos_token_id), first)


def require_same_tokens(codec: Codec, other: Codec, key: str) -> None:
    """Refuse a model that does not read the policy's token ids."""
    if codec.tokenizer.get_vocab() != other.tokenizer.get_vocab() or codec.separator != other.separator:
        raise RunRefusedError(f"{key} has another tokenizer or separator than inputs.policy; use one base.")


def read_about(source: str) -> dict[str, Any]:
    """Read the instructloop.json beside a model; empty for models from elsewhere."""
    path = Path(source) / ABOUT_FILE
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def first_line(error: Exception) -> str:
    """Take the first line of an error's message."""
    return str(error).strip().split("\n")[0]
