"""Fill an empty database with labelers and open comparisons, by statements over whole sets of rows.

    python -m benchmarks.labeling_load.seed --slots 20000 --labelers 200 --out FILE

One row of each kind is made by the rules; the rest are copies of it with other texts and codes, so that the
rows have whatever columns the models have today. Writes the labelers' tokens to the file, and how many
seconds it took to open the batch.
"""

import argparse
import json
import sys
from pathlib import Path

import django

SENTENCES = (
    "'Please explain number ' || i || ' of the list to a reader who has never heard of it, in plain words, "
    "with one example from daily life and one from work. Keep to two paragraphs and do not use any jargon.'"
)
ANSWER = (
    "'Response ' || i || ': ' || repeat('It helps to start from what the reader knows already and to go on "
    "from there, one small step at a time. ', 4)"
)


def main() -> int:
    """Make the rows and print how many."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slots", type=int, required=True)
    parser.add_argument("--labelers", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    django.setup()
    from benchmarks.labeling_load import rows

    tokens = rows.make_labelers(given.labelers)
    seconds = rows.make_open_comparisons(given.slots, prompt_sql=SENTENCES, response_sql=ANSWER)
    given.out.write_text(
        json.dumps({"tokens": tokens, "seconds_to_open": round(seconds, 1)}), encoding="utf-8"
    )
    sys.stdout.write(f"{given.slots} open slots, {given.labelers} labelers\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
