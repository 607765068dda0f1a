"""Two datasets of a kind side by side: which records came, went or changed, and how the selection differs."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from labeling.errors import InvalidInput
from training.models import Dataset
from training.rules import artifacts

SHOWN = 50
"""So many ids are named for each kind of change; all of them are counted."""


@dataclass
class Change:
    """Records that came, went, changed or moved to another part: counted by part, the first ones named."""

    counts: "Counter[str]" = field(default_factory=Counter)
    ids: list[str] = field(default_factory=list)

    def note(self, split: str, record_id: str) -> None:
        self.counts[split] += 1
        if len(self.ids) < SHOWN:
            self.ids.append(record_id)

    @property
    def total(self) -> int:
        return self.counts.total()

    @property
    def by_split(self) -> dict[str, int]:
        return dict(self.counts)


@dataclass
class Difference:
    """What lies between an older dataset and a newer one. `moved` records stand in another part now."""

    older: Dataset
    newer: Dataset
    added: Change = field(default_factory=Change)
    removed: Change = field(default_factory=Change)
    changed: Change = field(default_factory=Change)
    moved: Change = field(default_factory=Change)
    same: int = 0
    selection: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    dropped: dict[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def are_equal(self) -> bool:
        return not (self.added.total or self.removed.total or self.changed.total or self.moved.total)


def compare_datasets(older: Dataset, newer: Dataset) -> Difference:
    """Compare two datasets record by record, by id. Memory: 40 bytes or so for each record of the older one.

    Raises InvalidInput where their kinds differ, FileNotFoundError where a folder is not stored any more.
    """
    if older.kind != newer.kind:
        raise InvalidInput(
            f"{older} holds {older.get_kind_display()}, {newer} {newer.get_kind_display()}; "
            "compare two of a kind.",
            fields={"other": "another kind"},
        )
    found = Difference(older=older, newer=newer)
    before = {record_id: (split, digest) for split, record_id, digest in _records(older)}
    for split, record_id, digest in _records(newer):
        known = before.pop(record_id, None)
        if known is None:
            found.added.note(split, record_id)
        elif known[0] != split:
            found.moved.note(split, record_id)
        elif known[1] != digest:
            found.changed.note(split, record_id)
        else:
            found.same += 1
    for record_id, (split, _) in before.items():
        found.removed.note(split, record_id)
    found.selection = _differing(
        older.manifest.get("selection", {}), newer.manifest.get("selection", {}), None
    )
    found.dropped = _differing(older.manifest.get("dropped", {}), newer.manifest.get("dropped", {}), 0)
    return found


def _records(dataset: Dataset) -> Iterator[tuple[str, str, bytes]]:
    for part in dataset.manifest.get("parts", []):
        with artifacts.reading(dataset.folder, part["path"]) as file:
            for line in file:
                digest = hashlib.blake2b(line.encode(), digest_size=8).digest()
                yield part["split"], str(json.loads(line)["id"]), digest


def _differing(one: dict[str, Any], other: dict[str, Any], absent: Any) -> dict[str, tuple[Any, Any]]:
    names = sorted({*one, *other})
    pairs = {name: (one.get(name, absent), other.get(name, absent)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
