"""How fast prompts come in as a stream, and whether time and memory grow with how many there are already.

    python -m benchmarks.intake [--prompts 1000000] [--out benchmarks/results/intake.json]

Prompts are made one at a time, in fixed shares: duplicates, long common prefixes, personal data, languages
that are not wanted, faults, one customer far over the cap. They go into a PostgreSQL of this benchmark's own.
"""

import random
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from benchmarks.own_database import keep, options, own_database, peak_resident_mb, resident_mb

SHARES = {
    "duplicate": 0.05,
    "long_common_prefix": 0.05,
    "personal_data": 0.05,
    "foreign": 0.10,
    "too_long": 0.01,
    "empty": 0.01,
    "malformed": 0.005,
    "one_customer": 0.05,
}
LANGUAGES = frozenset({"en"})
PARTS = 10
NOUNS = ("bridge", "river", "letter", "engine", "garden", "winter", "market", "doctor", "story", "planet")
VERBS = ("Explain", "Compare", "Describe", "Rewrite", "Outline", "Translate", "Review", "Question", "Improve")
PREFIX = "Read the report below with care and answer in three short points for somebody who has no time. " * 3
FOREIGN = (
    "Bitte erkläre mir in zwei einfachen Sätzen, warum der Himmel am Abend rot wird. ",
    "Explique-moi en deux phrases simples pourquoi le ciel devient rouge le soir. ",
    "Por favor explica en dos frases sencillas por qué el cielo se vuelve rojo al atardecer. ",
)


def rows(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Yield prompts in the shares above; only the last few are remembered, to be repeated."""
    random_ = random.Random(seed)
    kinds = [*SHARES, "plain"]
    weights = [*SHARES.values(), 1 - sum(SHARES.values())]
    earlier = "Explain how a bridge carries its own weight."
    for number in range(count):
        kind = random_.choices(kinds, weights)[0]
        words = " ".join(random_.choices(NOUNS, k=random_.randint(8, 60)))
        text = f"{random_.choice(VERBS)} number {number} for the people who read it: {words}."
        row: dict[str, Any] = {"prompt": text, "user_id": f"user-{random_.randrange(max(1, count // 20))}"}
        if kind == "duplicate":
            row["prompt"] = earlier
        elif kind == "long_common_prefix":
            row["prompt"] = PREFIX + text
        elif kind == "personal_data":
            row["prompt"] = f"{text} Write to jo.{number}@example.org or call +1 212 555 0187."
        elif kind == "foreign":
            row["prompt"] = f"{random_.choice(FOREIGN)}{number}"
        elif kind == "too_long":
            row["prompt"] = f"{text} " + "word " * 2000
        elif kind == "empty":
            row["prompt"] = "  "
        elif kind == "malformed":
            row["prompt"] = number
        elif kind == "one_customer":
            row["user_id"] = "one-customer"
        if kind == "plain" and number % 100 == 0:
            earlier = text
        yield row


def measure(count: int) -> dict[str, Any]:
    """Import `count` prompts; return rows per second, by tenths too, memory and counts."""
    from labeling.rules.prompts import IntakeSettings, import_prompts

    started = time.perf_counter()
    marks = [(0, started)]
    memory: list[float] = []

    def note(read: int) -> None:
        if read * PARTS >= count * len(marks):
            marks.append((read, time.perf_counter()))
            memory.append(resident_mb())

    intake = import_prompts(
        rows=rows(count), settings=IntakeSettings(languages=LANGUAGES), file_name="benchmark", progress=note
    )
    seconds = time.perf_counter() - started
    speeds = [round((b - a) / (until - since)) for (a, since), (b, until) in pairwise(marks)]
    return {
        "prompts": intake.read,
        "seconds": round(seconds, 1),
        "rows_per_second": round(intake.read / seconds),
        "rows_per_second_by_tenth": speeds,
        "resident_mb_by_tenth": memory,
        "peak_resident_mb": peak_resident_mb(),
        "counts": intake.counts,
    }


def main() -> None:
    """Import prompts into a PostgreSQL of our own; print and write the figures."""
    parser = options(__doc__)
    parser.add_argument("--prompts", type=int, default=1_000_000)
    given = parser.parse_args()
    with own_database("intake"):
        keep(measure(given.prompts), given.out)


if __name__ == "__main__":
    main()
