"""How long an export of many labels takes, and whether its memory grows with their number.

    python -m benchmarks.export [--labels 1000000] [--out benchmarks/results/export.json]

Each label is a ranking of four responses with ratings: the first one made by the rules, all others copied by
PostgreSQL with texts, labelers and orders of their own. They are frozen into a dataset and its files copied
out, as `export_dataset` does it; memory is looked at every tenth of a second.
"""

import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.own_database import keep, options, own_database, peak_resident_mb, resident_mb

LABELERS = 40
PARTS = 10
LOOK_SECONDS = 0.1
PEER = {"labels": 100_000, "seconds": 331, "peak_gb": 4.9}
"""Label Studio 1.23 by its command line; by its web server 100,000 labels are killed."""


def measure(count: int) -> dict[str, Any]:
    """Make labels, export them; return seconds, size, and the memory by tenths of the time."""
    began = time.perf_counter()
    make_labels(count)
    made = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, memory_seen() as memory:
        before = resident_mb()
        report = export(Path(folder) / "export")
        seconds = time.perf_counter() - made
    held = memory or [before]
    parts = [held[len(held) * part // PARTS : len(held) * (part + 1) // PARTS] for part in range(PARTS)]
    return {
        "labels": report["rows"],
        "seconds_to_make": round(made - began, 1),
        "seconds": round(seconds, 1),
        "labels_per_second": round(report["rows"] / seconds),
        "megabytes": report["megabytes"],
        "resident_mb_before": before,
        "resident_mb_by_tenth": [max(part, default=before) for part in parts],
        "peak_resident_mb": peak_resident_mb(),
        "left_out": report["left_out"],
        "peer": PEER,
    }


def export(folder: Path) -> dict[str, Any]:
    """Freeze all labels and copy the files out; returns rows, size and what was left out."""
    from training.rules import artifacts
    from training.rules.datasets import freeze_dataset

    dataset = freeze_dataset(kind="comparisons", name="All labels")
    artifacts.place(dataset.folder, folder, may_link=False)
    size = sum(path.stat().st_size for path in folder.iterdir())
    return {
        "rows": dataset.rows,
        "megabytes": round(size / 2**20),
        "left_out": dataset.manifest["dropped"],
    }


def make_labels(count: int) -> None:
    """Make `count` labels: one by the rules, the others by the database."""
    from benchmarks.labeling_load.rows import (
        K,
        copy_comparison,
        copy_row,
        keys_known_to_fit,
        make_first_comparison,
        make_labelers,
        number_of,
        tidy_up,
    )
    from benchmarks.labeling_load.seed import ANSWER, SENTENCES
    from labeling.models import Labeler, Place, Ranking
    from labeling.rules import assignments, batches, comparisons

    make_labelers(LABELERS)
    first = make_first_comparison()
    batches.open_batch(batch=first.batch)
    labeler = Labeler.objects.earliest("pk")
    slot = assignments.claim_next(labeler=labeler, kind=first.batch.kind)
    assert slot is not None
    judgements = [
        comparisons.Judgement(code=response.code, rank=rank, likert=8 - rank, flags={})
        for rank, response in enumerate(first.responses, start=1)
    ]
    comparisons.submit_ranking(assignment=slot, judgements=judgements, idempotency_key=str(uuid.uuid4()))
    copy_comparison(first, count, prompt_sql=SENTENCES, response_sql=ANSWER)
    slot.refresh_from_db()
    ranking = Ranking.objects.get(assignment=slot)
    by_turns = f"{labeler.pk} + i % {LABELERS}"
    codes = f"(SELECT jsonb_agg(r.code) FROM labeling_response r WHERE r.prompt_id = {number_of('i')})"
    with keys_known_to_fit():
        copy_row(slot, count - 1, {"task_id": number_of("i"), "labeler_id": by_turns})
        copy_row(ranking, count - 1, {
            "task_id": number_of("i"), "labeler_id": by_turns, "assignment_id": number_of("i"),
            "shown_order": codes,
        })  # fmt: skip
        places = Place.objects.filter(ranking=ranking).order_by("response__candidacies__position")
        for at, place in enumerate(places):
            copy_row(place, count - 1, {
                "id": number_of(f"i * {K} + {at}"), "ranking_id": number_of("i"),
                "response_id": number_of(f"i * {K} + {at}"), "rank": f"1 + (i + {at}) % {K}",
                "likert": f"1 + (i + {at}) % 7",
            })  # fmt: skip
    tidy_up()


@contextmanager
def memory_seen() -> Iterator[list[float]]:
    """Note how much memory this process holds, again and again, while the block runs."""
    seen: list[float] = []
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(LOOK_SECONDS):
            seen.append(resident_mb())

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield seen
    finally:
        is_over.set()
        looking.join()


def main() -> None:
    """Export labels from a PostgreSQL of our own; print and write the figures."""
    parser = options(__doc__)
    parser.add_argument("--labels", type=int, default=1_000_000)
    given = parser.parse_args()
    with own_database("export"):
        keep(measure(given.labels), given.out)


if __name__ == "__main__":
    main()
