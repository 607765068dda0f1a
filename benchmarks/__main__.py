"""Run the benchmarks and keep their results: python -m benchmarks [name …] [--repeats N] [--out DIR]

Each benchmark proves first that its arms do equal work, then times them in turn, and leaves one JSON line in
the results folder. The main figure is CPU seconds of one thread; machines are noisy, so compare ratios of one
run only. A table of bars ends the run; the exit status is 1 where one is missed.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks import floor, reward_quality, reward_ranking, step_split, training_core
from benchmarks.labeling_load import measure as labeling_load


def main() -> int:
    """Run what was asked for; returns the exit status."""
    names = ["floor", "reward_ranking", "reward_quality", "step_split", *training_core.ROWS, "labeling_load"]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(names)}; default all")
    parser.add_argument("--repeats", type=int, default=5, help="timed repetitions of each arm")
    parser.add_argument("--quick", action="store_true", help="labeling_load: fewer tasks, shorter runs")
    parser.add_argument("--shape", default="small", help="of the models, such as 70m")
    parser.add_argument("--architecture", choices=("gpt2", "llama"), default="gpt2")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32", help="of step_split")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    given = parser.parse_args()
    if unknown := set(given.names) - set(names):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}; there is {', '.join(names)}")
    given.out.mkdir(parents=True, exist_ok=True)
    bars: list[tuple[str, dict[str, Any]]] = []
    for name in given.names or names:
        if name == "floor":
            result = floor.measure(shape=given.shape, architecture=given.architecture)
        elif name == "reward_ranking":
            result = {"benchmark": name, **reward_ranking.measure(repeats=given.repeats)}
        elif name == "step_split":
            result = step_split.measure(
                repeats=given.repeats,
                shape=given.shape,
                architecture=given.architecture,
                device=given.device,
                dtype=given.dtype,
            )
        elif name == "reward_quality":
            result = reward_quality.measure()
        elif name == "labeling_load":
            result = {"benchmark": name, **labeling_load.measure(quick=given.quick)}
        else:
            result = training_core.measure(
                name,
                repeats=given.repeats,
                shape=given.shape,
                architecture=given.architecture,
                device=given.device,
            )
        line = json.dumps(result)
        sys.stdout.write(line + "\n")
        path = given.out / f"{name}_{given.device}_{time.strftime('%Y-%m-%d')}.json"
        path.write_text(line + "\n", encoding="utf-8")
        bars += [(name, each) for each in result.get("bars", [])]
    for name, each in bars:
        verdict = "passed" if each["passed"] else "MISSED"
        sys.stdout.write(f"{verdict}  {name:13} {each['what']}: {each['measured']} (bar {each['bar']})\n")
    return 0 if all(each["passed"] for _, each in bars) else 1


if __name__ == "__main__":
    sys.exit(main())
