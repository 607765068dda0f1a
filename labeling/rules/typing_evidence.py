"""How a text came to be: what was typed and what was pasted.

It is kept beside the label for whoever reviews it, and the labeler is told so. Nothing is refused by it: many
people write in an editor of their own and paste.
"""

from collections.abc import Mapping
from typing import Any

COUNTS = ("typed", "pastes", "pasted", "longest_paste")
MOST = 10_000_000


def read_evidence(given: Mapping[str, Any] | None) -> dict[str, int]:
    """Return the counts that a page sent, each a whole number from 0; anything else is left out."""
    found = {}
    for name in COUNTS:
        value = (given or {}).get(name)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST:
            found[name] = value
    return found if any(found.values()) else {}


def with_earlier(earlier: Mapping[str, int] | None, typing: Mapping[str, int]) -> dict[str, int]:
    """Return the counts of a revision: those of its own editing on top of what it was revised from."""
    whole = dict(earlier or {})
    for name, value in typing.items():
        known = whole.get(name, 0)
        whole[name] = max(known, value) if name == "longest_paste" else min(MOST, known + value)
    return whole
