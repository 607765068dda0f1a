"""Best-of-n: of n responses the one that the reward model likes best. The simplest rival of PPO.

Nakano et al. 2021 (arXiv 2112.09332), app. J, for the estimator; its KL from the policy is known without
measuring: log n - (n - 1) / n nats at most (Stiennon et al. 2020, app. G.3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def best_of_kl(n: int) -> float:
    """Return the KL of best-of-n from its policy, nats per response."""
    return math.log(n) - (n - 1) / n


def keep_best(records: Sequence[Mapping[str, Any]], n: int) -> list[dict[str, Any]]:
    """Keep of every n records in a row the one with the highest score, the first of equals.

    Records carry "score" and "index"; those kept are numbered anew and say what they are the best of.
    """
    kept: list[dict[str, Any]] = []
    for start in range(0, len(records), n):
        best = max(records[start : start + n], key=lambda record: float(record["score"]))
        kept.append({**best, "index": int(best["index"]) // n, "best_of": n})
    return kept


def expected_best(scores: Sequence[float], judged: Sequence[float], n: int) -> float:
    """Estimate what the best of n by score is worth by another judge, from more than n samples.

    scores, judged  of the same N responses to one prompt, N at least n
    returns         the mean over all choices of n among the N, without bias
    """
    ordered = [value for _, value in sorted(zip(scores, judged, strict=True), key=lambda pair: pair[0])]
    every = math.comb(len(ordered), n)
    return sum(math.comb(place, n - 1) / every * value for place, value in enumerate(ordered))


def best_of_curve(prompts: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, list[tuple[float, float]]]:
    """Follow score and gold score of best-of-n over sqrt(KL), n = 1, 2, 4, ... up to the samples there are.

    prompts  for each prompt its records, equally many, with "score" and perhaps "gold_score"
    returns  points by name of the judge
    """
    most = min(len(records) for records in prompts)
    sizes = [1 << power for power in range(most.bit_length()) if 1 << power <= most]
    judges = {"score": "reward model", "gold_score": "gold"}
    found: dict[str, list[tuple[float, float]]] = {}
    for key, name in judges.items():
        if any(key not in record for records in prompts for record in records):
            continue
        for n in sizes:
            values = [
                expected_best([r["score"] for r in records], [r[key] for r in records], n)
                for records in prompts
            ]
            found.setdefault(name, []).append((math.sqrt(best_of_kl(n)), sum(values) / len(values)))
    return found
