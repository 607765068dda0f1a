"""One arm of a benchmark in a process of its own: python -m benchmarks.worker MODULE:CLASS SETTINGS

Reads one JSON line per request and answers with one: {"do": "gate", "with": {...}} for loss and gradient on
one batch, {"do": "time", "with": {}} for one timed repetition, or whatever else the arm can do. CPU seconds
are those of this process, with one thread on a CPU.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import os
import resource
import sys
import time
from typing import Any

for name, value in {
    "OMP_NUM_THREADS": "1",
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_DATASETS_DISABLE_PROGRESS_BARS": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "TRL_EXPERIMENTAL_SILENCE": "1",
}.items():
    os.environ.setdefault(name, value)


class Clock:
    """Marks of CPU and wall time, taken at the end of each step; on a GPU when it has done its work."""

    def __init__(self, device: str = "cpu") -> None:
        self.device = device
        self.marks: list[tuple[float, float]] = []

    def mark(self) -> None:
        if self.device == "cuda":
            import torch

            torch.cuda.synchronize()
        self.marks.append((time.process_time(), time.perf_counter()))

    def spent(self, first: int) -> dict[str, Any]:
        """CPU and wall seconds from one mark to the last, and the name of the GPU if there is one."""
        (cpu, wall), (cpu_end, wall_end) = self.marks[first], self.marks[-1]
        found: dict[str, Any] = {"cpu_seconds": cpu_end - cpu, "wall_seconds": wall_end - wall}
        if self.device == "cuda":
            import torch

            found["gpu"] = torch.cuda.get_device_name()
        return found


def peak_mib() -> float:
    """Largest resident size of this process so far; on a GPU the most memory held there."""
    torch: Any = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and (held := torch.cuda.max_memory_allocated()):
        return float(held) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Build the arm, then answer requests until the input ends."""
    import torch

    torch.set_num_threads(1)
    module, _, factory = sys.argv[1].partition(":")
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print must not mix with answers
    arm: Any = getattr(importlib.import_module(module), factory)(**json.loads(sys.argv[2]))
    built = peak_mib()
    for line in sys.stdin:
        with contextlib.redirect_stdout(sys.stderr):
            request = json.loads(line)
            answer = getattr(arm, request["do"])(**request["with"])
        answer |= {"peak_mib": round(peak_mib(), 1), "built_mib": round(built, 1), "versions": versions()}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def versions() -> dict[str, str]:
    """Versions of what this process may have imported."""
    found = {}
    for name in ("torch", "transformers", "accelerate", "datasets", "trl"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


if __name__ == "__main__":
    main()
