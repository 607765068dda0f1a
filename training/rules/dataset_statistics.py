"""What stands in a dataset: lengths, categories, sources, labelers, ratings and ties, counted as it is read.

Lengths are in words, by `str.split`: the dataset knows no tokenizer.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)
NOT_TAGGED = "none"


@dataclass
class Lengths:
    """How many texts have how many words."""

    counts: "Counter[int]" = field(default_factory=Counter)

    def add(self, text: str) -> None:
        self.counts[len(text.split())] += 1

    def as_mapping(self) -> dict[str, Any]:
        """Return count, mean, smallest, quartiles and largest; empty where there was no text."""
        total = self.counts.total()
        if not total:
            return {}
        mean = sum(words * count for words, count in self.counts.items()) / total
        found = [self._quantile(share, total) for share in QUANTILES]
        return {
            "count": total,
            "mean": mean,
            **dict(zip(("min", "p25", "p50", "p75", "max"), found, strict=True)),
        }

    def _quantile(self, share: float, total: int) -> int:
        """Return the smallest length that at least this share of the texts do not exceed."""
        wanted, seen = max(1.0, share * total), 0
        for words in sorted(self.counts):
            seen += self.counts[words]
            if seen >= wanted:
                return words
        return max(self.counts)


@dataclass
class Statistics:
    """Takes one record after the other; memory grows with kinds and labelers, not with records."""

    lengths: dict[str, Lengths] = field(default_factory=dict)
    counts: "dict[str, Counter[str]]" = field(default_factory=dict)
    pairs: int = 0
    ties: int = 0

    def add(self, split: str, record: Mapping[str, Any]) -> None:
        """Take one more record of a part into account."""
        self._count("split", split)
        for name in ("prompt", "completion", "text", "response"):
            if isinstance(record.get(name), str):
                self._measure(name, record[name])
        for name in (
            "category",
            "prompt_source",
            "prompt_kind",
            "labeler_group",
            "instruction_version",
            "model",
        ):
            if name in record:
                self._count(name, record[name])
        if record.get("labeler_id"):
            self._count("labeler_id", record["labeler_id"])
        if "preferred" in record:
            self._count("preferred", record["preferred"])
        outputs = record.get("outputs")
        if outputs:
            self._add_outputs(outputs)

    def as_mapping(self) -> dict[str, Any]:
        """Return the statistics as the row of a dataset keeps them."""
        return {
            "lengths": {name: lengths.as_mapping() for name, lengths in sorted(self.lengths.items())},
            "counts": {name: dict(counter.most_common()) for name, counter in sorted(self.counts.items())},
            "labelers": len(self.counts.get("labeler_id", ())),
            "pairs": self.pairs,
            "tie_fraction": self.ties / self.pairs if self.pairs else None,
        }

    def _add_outputs(self, outputs: Iterable[Mapping[str, Any]]) -> None:
        given = list(outputs)
        self._count("k", str(len(given)))
        for output in given:
            self._measure("response", str(output.get("text") or ""))
            self._count("model", output.get("model"))
            if output.get("likert") is not None:
                self._count("likert", output["likert"])
            for flag, answer in (output.get("flags") or {}).items():
                if answer:
                    self._count("flags", flag)
        ranks = [output.get("rank") for output in given]
        for one, other in combinations(ranks, 2):
            self.pairs += 1
            self.ties += one == other

    def _measure(self, name: str, text: str) -> None:
        self.lengths.setdefault(name, Lengths()).add(text)

    def _count(self, name: str, value: Any) -> None:
        self.counts.setdefault(name, Counter())[NOT_TAGGED if value is None else str(value)] += 1
