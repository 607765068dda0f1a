"""From lists of token ids to rectangles, and the order in which examples come.

Every order is a pure function of seed and place, so that a resumed run goes on with the next example and
needs no loader state. Padding is always id 0 under a False in the mask: no tokenizer's pad or end token is
ever mistaken for padding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

BUCKETED_MINIBATCHES = 16


def derive_seed(*parts: int | str) -> int:
    """Make one seed from several, so that streams named differently are independent."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big")


def generator(*parts: int | str) -> torch.Generator:
    """Make a CPU generator seeded by derive_seed."""
    return torch.Generator().manual_seed(derive_seed(*parts))


def permutation(n: int, *seed: int | str) -> list[int]:
    """Shuffle the numbers below n."""
    order: list[int] = torch.randperm(n, generator=generator("permutation", *seed)).tolist()
    return order


def minibatch_order(lengths: Sequence[int], size: int, seed: int, epoch: int) -> list[list[int]]:
    """Cut one epoch into minibatches of examples of similar length, in random order.

    lengths  tokens of each example
    size     examples in a minibatch; the last one holds what is left
    returns  lists of example numbers, every example exactly once

    Shuffled examples are sorted by length within chunks of sixteen minibatches, which leaves little padding
    and still mixes well.
    """
    order = permutation(len(lengths), seed, "epoch", epoch)
    chunk = size * BUCKETED_MINIBATCHES
    batches = []
    for start in range(0, len(order), chunk):
        bucket = sorted(order[start : start + chunk], key=lambda i: lengths[i])
        batches += [bucket[at : at + size] for at in range(0, len(bucket), size)]
    return [batches[i] for i in permutation(len(batches), seed, "minibatches", epoch)]


def microbatches(lengths: Sequence[int], budget: int) -> list[list[int]]:
    """Split examples, sorted by length, into groups whose padded size stays within a budget of tokens.

    lengths  tokens of each example
    budget   most tokens of a group, padding included; a single longer example stands alone
    returns  lists of places in lengths, every one exactly once
    """
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if groups and (len(groups[-1]) + 1) * lengths[place] <= budget:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups


def right_pad(rows: Sequence[Sequence[int]], width: int = 0) -> tuple[Tensor, Tensor]:
    """Stack rows of ids that begin in the first column.

    returns  ids (B, T) int, 0 on padding; mask (B, T) bool, True = real token
    """
    return _pad(rows, width, left=False)


def left_pad(rows: Sequence[Sequence[int]], width: int = 0) -> tuple[Tensor, Tensor]:
    """Stack rows of ids that end in the last column.

    returns  ids (B, T) int, 0 on padding; mask (B, T) bool, True = real token
    """
    return _pad(rows, width, left=True)


def _pad(rows: Sequence[Sequence[int]], width: int, *, left: bool) -> tuple[Tensor, Tensor]:
    width = max(width, *(len(row) for row in rows), 1)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[i, place] = torch.tensor(row, dtype=torch.long)
        mask[i, place] = True
    return ids, mask


def position_ids(mask: Tensor) -> Tensor:
    """Number the real tokens of each row from 0, on either padding side; padding gets a valid number.

    mask     (B, T) bool
    returns  (B, T) int
    """
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0)
