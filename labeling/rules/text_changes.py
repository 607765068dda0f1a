"""What changed between two versions of a text, word by word."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

PIECE = re.compile(r"\s+|[^\s]+")
AROUND = 200
"""Unchanged characters that are shown before and after a change, to the next end of a line."""
SOFT_BREAK = re.compile(r"(?<=\S)[ \t]*\n[ \t]*(?=[^\s#>|`~*+\-\d])")


@dataclass(frozen=True)
class Part:
    """A run of text that is the `same` in both versions, `added` in the newer or `removed` from the older.

    A `folded` one is the same too, and far from any change.
    """

    kind: str
    text: str


def unwrapped(text: str) -> str:
    """Return Markdown with each paragraph and each list item on one line, as a reader sees them."""
    return SOFT_BREAK.sub(" ", text)


def changes_between(old: str, new: str) -> list[Part]:
    """Return the parts of both texts in order: without those removed they are the new text."""
    before, after = PIECE.findall(old), PIECE.findall(new)
    parts: list[Part] = []
    for kind, start, end, new_start, new_end in SequenceMatcher(
        None, before, after, autojunk=False
    ).get_opcodes():
        if kind == "equal":
            parts.append(Part("same", "".join(after[new_start:new_end])))
            continue
        if end > start:
            parts.append(Part("removed", "".join(before[start:end])))
        if new_end > new_start:
            parts.append(Part("added", "".join(after[new_start:new_end])))
    return parts


def folded(parts: Sequence[Part]) -> list[Part]:
    """Fold what is the same and far from any change, in whole lines, so that a reader finds the changes."""
    found: list[Part] = []
    for at, part in enumerate(parts):
        if part.kind != "same":
            found.append(part)
            continue
        text = part.text
        start = _line_end(text, AROUND) if at > 0 else 0
        end = _line_start(text, len(text) - AROUND) if at < len(parts) - 1 else len(text)
        if end - start <= AROUND:
            found.append(part)
            continue
        cut = (("same", text[:start]), ("folded", text[start:end]), ("same", text[end:]))
        found.extend(Part(kind, words) for kind, words in cut if words)
    return found


def _line_end(text: str, at: int) -> int:
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, max(0, at)) + 1
