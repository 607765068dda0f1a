"""Run this benchmark alone, without what the others need: python -m benchmarks.labeling_load [--quick]"""

import argparse
import json
import sys
import time
from pathlib import Path

from benchmarks.labeling_load.measure import measure
from benchmarks.labeling_load.peer import measure_peer


def main() -> int:
    """Measure, keep the result, say which bars were missed; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labeling_load", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer tasks, shorter runs")
    parser.add_argument("--seconds", type=float, help="length of each run")
    parser.add_argument("--slots", type=int, nargs="+", default=(), help="numbers of open slots")
    parser.add_argument("--peer", action="store_true", help="measure Label Studio first, in this very run")
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[1] / "results")
    given = parser.parse_args()
    result = {
        "benchmark": "labeling_load",
        **measure(
            quick=given.quick,
            seconds=given.seconds,
            slots=given.slots,
            measure_peer=measure_peer if given.peer else None,
        ),
    }
    line = json.dumps(result)
    sys.stdout.write(line + "\n")
    given.out.mkdir(parents=True, exist_ok=True)
    name = "labeling_load_quick" if given.quick else "labeling_load"
    (given.out / f"{name}_cpu_{time.strftime('%Y-%m-%d')}.json").write_text(line + "\n", encoding="utf-8")
    for bar in result["bars"]:
        verdict = "passed" if bar["passed"] else "MISSED"
        sys.stdout.write(f"{verdict}  {bar['what']}: {bar['measured']} (bar {bar['bar']})\n")
    return 0 if all(bar["passed"] for bar in result["bars"]) else 1


if __name__ == "__main__":
    sys.exit(main())
