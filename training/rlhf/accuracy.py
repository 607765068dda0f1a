"""How often a reward model orders pairs as labelers did, with an interval clustered by prompt."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

import torch
from torch import Tensor

from training.rlhf.losses import ranking_pairs

Z = 1.96
BINS = 10


class Source(Protocol):
    """Where a ranking comes from: its prompt and the labeler's group."""

    @property
    def cluster(self) -> str: ...
    @property
    def group(self) -> str: ...


def _nothing() -> tuple[float, int]:
    return 0.0, 0


class PairCounts:
    """Counts ordered pairs by prompt and labeler group. A pair with equal scores counts one half."""

    def __init__(self) -> None:
        self._cells: dict[tuple[str, str], tuple[float, int]] = defaultdict(_nothing)
        self._difference = 0.0
        self._seen: list[Tensor] = []

    def add(self, scores: Tensor, ranks: Tensor, slot_mask: Tensor, sources: Sequence[Source]) -> None:
        """Count the pairs of some rankings: scores (B, K) float, ranks (B, K) int, slot_mask (B, K) bool."""
        pairs = ranking_pairs(ranks, slot_mask)
        differences = scores.unsqueeze(2) - scores.unsqueeze(1)
        points = ((differences > 0).double() + 0.5 * (differences == 0).double()) * pairs
        right, number = points.sum(dim=(1, 2)).tolist(), pairs.sum(dim=(1, 2)).tolist()
        for source, r, n in zip(sources, right, number, strict=True):
            before = self._cells[source.group, source.cluster]
            self._cells[source.group, source.cluster] = (before[0] + r, before[1] + n)
        self._difference += float((differences * pairs).sum())
        self._seen.append(differences.detach()[pairs].cpu())

    @classmethod
    def merged(cls, parts: Sequence[PairCounts]) -> PairCounts:
        """Add up what several processes have counted."""
        if len(parts) == 1:
            return parts[0]
        whole = cls()
        for part in parts:
            for place, (right, number) in part._cells.items():
                before = whole._cells[place]
                whole._cells[place] = (before[0] + right, before[1] + number)
            whole._difference += part._difference
            whole._seen += part._seen
        return whole

    def cells(self) -> list[tuple[str, str, float, int]]:
        """List labeler group, prompt, right pairs and pairs: all that accuracies and intervals come from."""
        return [(*place, right, number) for place, (right, number) in self._cells.items()]

    @classmethod
    def of(cls, cells: Iterable[tuple[str, str, float, int]]) -> PairCounts:
        """Put back what cells listed; margins and bins are not in it."""
        found = cls()
        found._cells |= {(group, cluster): (right, number) for group, cluster, right, number in cells}
        return found

    def groups(self) -> list[str]:
        """Name the labeler groups seen."""
        return sorted({group for group, _ in self._cells})

    def clusters(self, group: str | None = None) -> list[tuple[float, int]]:
        """List right pairs and pairs of each prompt, of one labeler group or of all."""
        merged: dict[str, tuple[float, int]] = defaultdict(lambda: (0.0, 0))
        for (own, prompt), (right, number) in self._cells.items():
            if group in (None, own):
                merged[prompt] = (merged[prompt][0] + right, merged[prompt][1] + number)
        return list(merged.values())

    def accuracy(self) -> float:
        """Share of pairs in the labeler's order; 0.5 is chance."""
        return clustered_share(self.clusters())[0]

    def bins(self) -> list[dict[str, float]]:
        """Compare how often the higher score should win with how often it did, in bins of the former."""
        found = torch.cat([torch.zeros(0), *self._seen]).double()
        expected = found.abs().sigmoid()
        observed = (found > 0).double() + 0.5 * (found == 0).double()
        place = ((expected - 0.5) * 2 * BINS).long().clamp(max=BINS - 1)
        return [
            {
                "pairs": int(here.sum()),
                "expected": float(expected[here].mean()),
                "observed": float(observed[here].mean()),
            }
            for here in (place == number for number in range(BINS))
            if bool(here.any())
        ]

    def calibration_error(self) -> float:
        """Mean distance of observed from expected shares, weighed by pairs."""
        bins = self.bins()
        total = sum(each["pairs"] for each in bins)
        return sum(each["pairs"] * abs(each["observed"] - each["expected"]) for each in bins) / max(1, total)

    def margin(self) -> float:
        """Mean score difference of preferred and other response."""
        return self._difference / max(1, sum(n for _, n in self.clusters()))


def clustered_share(clusters: Sequence[tuple[float, int]]) -> tuple[float, float, float]:
    """Estimate a share and its 95 % interval from counts that hang together within clusters.

    clusters  (right, number) of each cluster
    returns   share, lower end, upper end; 0 to 1 where fewer than two clusters say nothing about spread

    Ratio estimator with linearised variance (Cochran, Sampling Techniques, 3rd ed., sec. 2.11), normal
    interval.
    """
    total = sum(n for _, n in clusters)
    if total == 0:
        return 0.5, 0.0, 1.0
    share = sum(r for r, _ in clusters) / total
    m = sum(n > 0 for _, n in clusters)
    if m < 2:
        return share, 0.0, 1.0
    variance = sum((r - share * n) ** 2 for r, n in clusters) / total**2 * m / (m - 1)
    half = Z * math.sqrt(variance)
    return share, max(0.0, share - half), min(1.0, share + half)


def accuracy_metrics(counts: PairCounts) -> dict[str, float]:
    """Name the accuracy, its interval and its pairs, over all and for each labeler group as `name.group`."""
    found: dict[str, float] = {}
    for group in [None, *(g for g in counts.groups() if g)]:
        clusters = counts.clusters(group)
        share, low, high = clustered_share(clusters)
        values = {"accuracy": share, "accuracy_low": low, "accuracy_high": high}
        values["pairs"] = sum(n for _, n in clusters)
        suffix = f".{group}" if group else ""
        found |= {f"valid/{name}{suffix}": value for name, value in values.items()}
    found["valid/calibration_error"] = counts.calibration_error()
    return found
