"""Keys and values while decoding: a prompt's once for all its samples, a row's own behind them.

Reading the cache is most of what a decode step does, so nothing is read twice: the queries of a prompt's
samples meet its keys in one product. Finished rows are overwritten by live ones, prompts of which no row is
left by prompts that have some.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

GROWTH = 32  # columns


class DecodeCache:
    """What N rows, samples of B prompts, have read so far; H heads of keys of width d.

    prompt_keys    (layers, B, H, d, P)  transposed
    prompt_values  (layers, B, H, P, d)
    keys           (layers, N, H, d, C)  of decoded tokens, transposed
    values         (layers, N, H, C, d)
    unseen         (B * H, 1, P)         minus infinity on the padding of prompts; None without padding
    slots          (N,)                  which of B * n places each row has; None while all are in order

    The columns of decoded tokens grow by some at a time and are always read whole: a part would be copied.
    """

    def __init__(self, layers: Sequence[tuple[Tensor, Tensor]], mask: Tensor, n: int, room: int) -> None:
        """Take over the keys and values of prompts.

        layers  (B, H, P, d) keys and values of each layer
        mask    (B, P) bool  True = real token
        n       samples of each prompt
        room    tokens that may follow
        """
        first = layers[0][0]
        self.prompt_keys = first.new_empty(len(layers), *first.mT.shape)
        for here, (keys, _) in zip(self.prompt_keys, layers, strict=True):
            here.copy_(keys.mT)  # turned and put in place by one copy
        self.prompt_values = torch.stack([values for _, values in layers])
        self._n, self._heads = n, layers[0][0].shape[1]
        count, width = len(mask) * n, layers[0][0].shape[-1]
        shape, columns = (len(layers), count, self._heads), min(room, GROWTH)
        self.keys = self.prompt_keys.new_zeros(*shape, width, columns)
        self.values = self.prompt_keys.new_zeros(*shape, columns, width)
        self.columns = 0
        self.slots: Tensor | None = None
        self.unseen = None
        if not bool(mask.all()):
            unseen = self.prompt_keys.new_zeros(mask.shape).masked_fill_(~mask, -torch.inf)
            self.unseen = unseen.repeat_interleave(self._heads, dim=0).unsqueeze(1)

    def make_room(self, rows: int) -> None:
        """See that one more token of every row fits."""
        if self.columns == self.keys.shape[-1]:
            self.keys = F.pad(self.keys[:, :rows], (0, GROWTH))
            self.values = F.pad(self.values[:, :rows], (0, 0, 0, GROWTH))

    def attend(self, layer: int, q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
        """Let one token of every row see itself and all before: q (N, H or more, d), k and v (N, H, d)."""
        rows, width = len(q), q.shape[-1]
        keys, values = self.keys[layer, :rows], self.values[layer, :rows]
        keys[..., self.columns] = k
        values[:, :, self.columns] = v
        asks = (q * scale).view(rows * self._heads, -1, width)
        prompt_keys, prompt_values = self.prompt_keys[layer], self.prompt_values[layer]
        before = torch.bmm(self._by_prompt(asks), prompt_keys.flatten(0, 1))
        if self.unseen is not None:
            before += self.unseen
        own = torch.bmm(asks, keys.flatten(0, 1))
        own[..., self.columns + 1 :] = -torch.inf
        length = before.shape[-1]
        weights = torch.cat([self._by_row(before, rows), own], dim=-1).softmax(dim=-1)
        found = torch.bmm(weights[..., length:], values.flatten(0, 1))
        shared = torch.bmm(self._by_prompt(weights[..., :length]), prompt_values.flatten(0, 1))
        return (found + self._by_row(shared, rows)).view(rows, -1)

    def keep(self, alive: Tensor) -> Tensor:
        """Drop the rows that are not alive (N,) bool; returns the old numbers of those that stay."""
        count, seen = int(alive.sum()), self.columns
        order = torch.arange(count, device=alive.device)
        holes = (~alive[:count]).nonzero().squeeze(-1)
        if len(holes):
            order[holes] = movers = alive[count:].nonzero().squeeze(-1) + count
            self.keys[:, holes, :, :, :seen] = self.keys[:, movers, :, :, :seen]
            self.values[:, holes, :, :seen] = self.values[:, movers, :, :seen]
        slots = torch.arange(len(alive), device=alive.device) if self.slots is None else self.slots
        slots = self._without_empty_prompts(slots[order])
        in_order = torch.equal(slots, torch.arange(len(slots), device=slots.device))
        self.slots = None if in_order and len(slots) == self.prompt_keys.shape[1] * self._n else slots
        return order

    def _without_empty_prompts(self, slots: Tensor) -> Tensor:
        """Move the prompts that still have rows to the front; returns the rows' new slots."""
        prompt = slots // self._n
        before = self.prompt_keys.shape[1]
        used = torch.zeros(before, dtype=torch.bool, device=slots.device)
        used[prompt] = True
        count = int(used.sum())
        if count < before:
            place = torch.arange(before, device=slots.device)
            holes = (~used[:count]).nonzero().squeeze(-1)
            movers = used[count:].nonzero().squeeze(-1) + count
            place[movers] = holes
            for part in (self.prompt_keys, self.prompt_values):
                part[:, holes] = part[:, movers]
            self.prompt_keys, self.prompt_values = self.prompt_keys[:, :count], self.prompt_values[:, :count]
            if self.unseen is not None:
                unseen = self.unseen.view(before, self._heads, *self.unseen.shape[1:])
                unseen[holes] = unseen[movers]
                self.unseen = unseen[:count].flatten(0, 1)
        return place[prompt] * self._n + slots % self._n if count < before else slots

    def _by_prompt(self, x: Tensor) -> Tensor:
        """Bring the queries of a prompt together: (N * H, r, w) -> (B * H, n * r, w); 0 where no row is."""
        wide = x.view(-1, self._heads, *x.shape[1:])
        if self.slots is not None:
            empty = x.new_zeros(self.prompt_keys.shape[1] * self._n, *wide.shape[1:])
            wide = empty.index_copy_(0, self.slots, wide)
        if self._n == 1:
            return wide.flatten(0, 1)
        grouped = wide.view(-1, self._n, *wide.shape[1:]).transpose(1, 2)
        return grouped.flatten(0, 1).flatten(1, 2)

    def _by_row(self, x: Tensor, rows: int) -> Tensor:
        """Part them again: (B * H, n * r, w) -> (N * H, r, w)."""
        if self._n > 1:
            wide = x.view(-1, self._heads, self._n, x.shape[1] // self._n, x.shape[2]).transpose(1, 2)
            wide = wide.reshape(-1, *wide.shape[2:])
        else:
            wide = x.view(-1, self._heads, *x.shape[1:])
        if self.slots is not None:
            wide = wide.index_select(0, self.slots)
        return wide.reshape(rows * self._heads, -1, x.shape[2])
