"""Groups of labelers for cross-validation, and the table that comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from training.rlhf.accuracy import PairCounts, clustered_share
from training.rlhf.errors import RunRefusedError


class Fold(NamedTuple):
    """One training without some labelers: how it predicts them, and how it predicts the others."""

    number: int
    labelers: list[str]
    trained_on: int
    left_out: PairCounts
    inside: PairCounts


def labeler_folds(labelers: Sequence[str], folds: int) -> list[set[str]]:
    """Put labelers into groups with about equally many rankings, always in the same way.

    labelers  who gave each ranking
    raises    RunRefusedError if there are fewer than two folds or fewer labelers than folds
    """
    counts = Counter(labelers)
    if folds < 2 or len(counts) < folds:
        raise RunRefusedError(
            f"reward.folds is {folds} and the rankings come from {len(counts)} labelers; allowed is 2 to "
            f"{len(counts)}, or 0 for no cross-validation."
        )
    groups: list[set[str]] = [set() for _ in range(folds)]
    sizes = [0] * folds
    for labeler, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        smallest = sizes.index(min(sizes))
        groups[smallest].add(labeler)
        sizes[smallest] += count
    return groups


def pooled(folds: Sequence[Fold]) -> dict[str, float]:
    """Name the accuracies over all folds with their intervals; each ranking is left out exactly once."""
    found: dict[str, float] = {}
    for name, parts in (
        ("accuracy", [f.left_out for f in folds]),
        ("inside_accuracy", [f.inside for f in folds]),
    ):
        share, low, high = clustered_share(PairCounts.merged(parts).clusters())
        found |= {f"fold/{name}": share, f"fold/{name}_low": low, f"fold/{name}_high": high}
    return found


def as_table(folds: Sequence[Fold]) -> list[dict[str, Any]]:
    """List the folds as plain rows: labelers left out, rankings trained on, accuracies with intervals."""
    rows = []
    for fold in folds:
        row: dict[str, Any] = {"fold": fold.number, "labelers": fold.labelers, "trained_on": fold.trained_on}
        for name, counts in (("left_out", fold.left_out), ("inside", fold.inside)):
            share, low, high = clustered_share(counts.clusters())
            pairs = sum(number for _, number in counts.clusters())
            row[name] = {"pairs": pairs, "accuracy": share, "low": low, "high": high}
        rows.append(row)
    return rows


def as_kept(folds: Sequence[Fold]) -> dict[str, Any]:
    """Write down finished folds so that kept_folds puts them back: the table, and the counts behind it."""
    return {"folds": as_table(folds), "counts": [(f.left_out.cells(), f.inside.cells()) for f in folds]}


def kept_folds(kept: Mapping[str, Any]) -> list[Fold]:
    """Put back the folds of as_kept; none where nothing was kept."""
    return [
        Fold(row["fold"], row["labelers"], row["trained_on"], *map(PairCounts.of, counts))
        for row, counts in zip(kept.get("folds", []), kept.get("counts", []), strict=True)
    ]
