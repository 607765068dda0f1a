"""Long lists of keys in parts that a query may name: a default SQLite takes 32,766 of them at once."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Key = TypeVar("Key")
KEYS_AT_ONCE = 500


def in_parts(keys: Iterable[Key], size: int = KEYS_AT_ONCE) -> Iterator[list[Key]]:
    """Give the keys some at a time, in their order."""
    remaining = iter(keys)
    while part := list(islice(remaining, size)):
        yield part
