"""Packed rows: rows of unequal length behind each other in one row, and what stands where in it.

A group is a prompt followed by several responses: the prompt stands once, its responses see it and
themselves, not each other. Positions restart in every row; a response goes on after its prompt.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Rectangle(NamedTuple):
    """Some tokens of a packed row as rows of equal length.

    places   (N, L) int   place of each token in the packed row; 0 where there is padding
    slots    (T,)   int   for each packed token its place in the flattened rectangle
    ragged   True = there is padding
    """

    places: Tensor
    slots: Tensor
    ragged: bool

    def spread(self, packed: Tensor) -> Tensor:
        """Lift tokens (T, D) into the rectangle (N, L, D); padding holds finite numbers without meaning."""
        wide = (
            _Spread.apply(packed, self.places.flatten(), self.slots)  # type: ignore[no-untyped-call]
            if self.ragged
            else packed
        )
        found: Tensor = wide.view(*self.places.shape, packed.shape[-1])
        return found

    def gather(self, wide: Tensor) -> Tensor:
        """Put the tokens of a rectangle (N, L, D) back behind each other: (T, D)."""
        flat = wide.flatten(0, 1)
        return flat.index_select(0, self.slots) if self.ragged else flat

    def restore(self, packed: Tensor) -> Tensor:
        """Lift tokens (T, D) into the rectangle (N, L, D), 0 on padding."""
        if not self.ragged:
            return packed.view(*self.places.shape, -1)
        empty = packed.new_zeros(self.places.numel(), packed.shape[-1])
        return empty.index_copy(0, self.slots, packed).view(*self.places.shape, -1)


class _Spread(torch.autograd.Function):
    """index_select whose gradient is a selection as well: each token stands in the rectangle once."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, index: Tensor, slots: Tensor) -> Tensor:
        ctx.save_for_backward(slots)
        return packed.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (slots,) = ctx.saved_tensors
        return gradients[0].index_select(0, slots), None, None


class Layout(NamedTuple):
    """What stands in a packed row.

    rows       rows that see themselves only: whole rows, or the prompts of groups
    responses  the responses of groups, B * K rows in the order of the prompts, empty rows where a prompt has
               fewer than K; None without groups
    seen       (B, P) bool   True = real token of a prompt; None without groups or without padding
    flex       True = leave the packed row whole and mask it
    """

    rows: Rectangle
    responses: Rectangle | None = None
    seen: Tensor | None = None
    flex: bool = False

    @property
    def row_tokens(self) -> int:
        """Packed tokens before the first response."""
        return len(self.rows.slots)

    @property
    def longest(self) -> int:
        """Most keys that a token may see, padding included."""
        return self.rows.places.shape[1] + (0 if self.responses is None else self.responses.places.shape[1])

    def owners(self) -> tuple[Tensor, Tensor]:
        """Number for each packed token its row, and the row it follows, its own without groups: (T,) int."""
        row = self.rows.slots // self.rows.places.shape[1]
        if self.responses is None:
            return row, row
        own = self.responses.slots // self.responses.places.shape[1]
        each = len(self.responses.places) // len(self.rows.places)
        return torch.cat([row, own + len(self.rows.places)]), torch.cat([row, own // each])

    def restore_responses(self, packed: Tensor) -> Tensor:
        """Lift the responses' tokens out of (T, D): (B * K, R, D), 0 on padding."""
        if self.responses is None:
            raise ValueError("the layout has no groups.")
        return self.responses.restore(packed[self.row_tokens :])


class Packed(NamedTuple):
    """One packed row: ids (1, T) int, positions (1, T) int, and its layout."""

    ids: Tensor
    positions: Tensor
    layout: Layout


def rectangle(mask: Tensor, first: int = 0) -> Rectangle:
    """Describe the rectangle of a mask (N, L), True = real token, whose tokens are packed from `first` on."""
    flat = mask.flatten()
    slots = flat.nonzero().squeeze(-1)
    places = (flat.cumsum(0) - 1).clamp(min=0)
    index = torch.where(flat, places, torch.zeros_like(places)) + first
    return Rectangle(index.view(mask.shape), slots, len(slots) < flat.numel())


def pack_rows(ids: Tensor, mask: Tensor, *, flex: bool = False) -> Packed:
    """Pack the real tokens of rows that are padded on any side.

    ids   (B, T) int
    mask  (B, T) bool   True = real token
    """
    positions = (mask.long().cumsum(dim=1) - 1)[mask]
    lengths = mask.sum(dim=1)
    columns = torch.arange(int(lengths.max()), device=mask.device)
    layout = Layout(rectangle(columns < lengths.unsqueeze(1)), flex=flex)
    return Packed(ids[mask].unsqueeze(0), positions.unsqueeze(0), layout)


def pack_groups(
    prompts: tuple[Tensor, Tensor], responses: tuple[Tensor, Tensor], *, flex: bool = False
) -> Packed:
    """Pack prompts and their responses: all prompts, then all responses.

    prompts    ids (B, P) int and mask (B, P) bool, True = real token, right-padded
    responses  ids (B * K, R) int and mask, right-padded; rows that are empty stand for missing responses
    """
    (prompt_ids, prompt_mask), (ids, mask) = prompts, responses
    k = len(ids) // len(prompt_ids)
    lengths = prompt_mask.sum(dim=1)
    places = torch.arange(ids.shape[1], device=ids.device) + lengths.repeat_interleave(k).unsqueeze(1)
    prompt_places = torch.arange(prompt_ids.shape[1], device=ids.device).expand_as(prompt_ids)
    rows = rectangle(prompt_mask)
    layout = Layout(rows, rectangle(mask), prompt_mask if rows.ragged else None, flex)
    return Packed(
        torch.cat([prompt_ids[prompt_mask], ids[mask]]).unsqueeze(0),
        torch.cat([prompt_places[prompt_mask], places[mask]]).unsqueeze(0),
        layout,
    )
