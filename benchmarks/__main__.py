"""Run the benchmarks and keep their results: python -m benchmarks [name …] [--repeats N] [--out DIR]

Each benchmark proves first that its arms do equal work, then times them in turn, and prints one JSON line.
The main figure is CPU seconds of one thread; machines are noisy, so compare ratios of one run only.
"""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks import reward_ranking

BENCHMARKS = {"reward_ranking": reward_ranking.measure}


def main() -> int:
    """Run what was asked for; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(BENCHMARKS)}; default all")
    parser.add_argument("--repeats", type=int, default=5, help="timed repetitions of each arm")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}; there is {', '.join(BENCHMARKS)}")
    given.out.mkdir(parents=True, exist_ok=True)
    for name in given.names or BENCHMARKS:
        result = BENCHMARKS[name](repeats=given.repeats)
        line = json.dumps({"benchmark": name, **result})
        sys.stdout.write(line + "\n")
        path = given.out / f"{name}_cpu_{time.strftime('%Y-%m-%d')}.json"
        path.write_text(line + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
