"""What changed between two versions of a text, word by word."""

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

PIECE = re.compile(r"\s+|[^\s]+")
SOFT_BREAK = re.compile(r"(?<=\S)[ \t]*\n[ \t]*(?=[^\s#>|`~*+\-\d])")


@dataclass(frozen=True)
class Part:
    """A run of text that is the `same` in both versions, `added` in the newer or `removed` from the older."""

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
