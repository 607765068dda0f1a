"""Arms as processes: start them, prove that they do equal work, time them in turn."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import opponents

ROOT = Path(__file__).parent.parent


class Arm:
    """A worker process that answers requests."""

    def __init__(self, factory: str, settings: dict[str, Any], opponent: str | None = None) -> None:
        interpreter = str(opponents.python(opponent)) if opponent else sys.executable
        self.process = subprocess.Popen(
            [interpreter, "-m", "benchmarks.worker", factory, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL if os.environ.get("BENCH_QUIET", "1") == "1" else None,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        """Send one request and wait for its answer."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"do": do, "with": given}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            which = " ".join(map(str, self.process.args[3:]))  # type: ignore[index]
            raise RuntimeError(f"an arm ended: {which}; BENCH_QUIET=0 shows what it said")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End the process."""
        if self.process.stdin:
            self.process.stdin.close()
        self.process.wait(timeout=60)


def equal_work(arms: dict[str, Arm], truth: str, **given: Any) -> dict[str, Any]:
    """Compare loss and gradient of every arm on one batch with those of one of them.

    The comparison is made in float64, where equal work agrees to many digits; in float32 rounding alone
    moves either arm's gradient by about 1e-5, which is written beside it.

    raises  RuntimeError  beyond 1e-6 in the loss or 1e-5, relative, in the gradient
    """
    found: dict[str, Any] = {}
    for precision in ("float64", "float32"):
        with tempfile.TemporaryDirectory() as folder:
            losses, gradients = {}, {}
            for name in [truth, *(n for n in arms if n != truth)]:
                path, batch = Path(folder) / f"{name}.pt", str(Path(folder) / "batch.pt")
                answer = arms[name].ask("gate", gradient=str(path), batch=batch, precision=precision, **given)
                losses[name] = answer["loss"]
                gradients[name] = torch.load(path, weights_only=True)
        loss = max(abs(x - losses[truth]) for x in losses.values())
        gradient = max(_distance(gradients[truth], x) for x in gradients.values())
        found[precision] = {"loss_difference": loss, "relative_gradient_difference": gradient}
        if precision == "float64" and (loss > 1e-6 or gradient > 1e-5):
            raise RuntimeError(f"the arms do not do equal work: {found}")
    return {"loss": losses[truth], **found}


def _distance(truth: dict[str, Tensor], other: dict[str, Tensor]) -> float:
    if truth.keys() != other.keys():
        raise RuntimeError(f"the arms have other weights: {sorted(truth.keys() ^ other.keys())[:4]}")
    squares = sum(float((truth[name] - other[name]).double().square().sum()) for name in truth)
    return float((squares / sum(float(x.double().square().sum()) for x in truth.values())) ** 0.5)


def in_turn(arms: dict[str, Arm], repeats: int) -> dict[str, dict[str, Any]]:
    """Time the arms A B A B; medians and ranges of units of work per CPU second and per wall second."""
    answers: dict[str, list[dict[str, Any]]] = {name: [] for name in arms}
    for _ in range(repeats):
        for name, arm in arms.items():
            answers[name].append(arm.ask("time"))
    found = {}
    for name, each in answers.items():
        rates = [answer["units"] / answer["cpu_seconds"] for answer in each]
        walls = [answer["units"] / answer["wall_seconds"] for answer in each]
        kept = {"units", "cpu_seconds", "wall_seconds", "peak_mib", "built_mib", "versions"}
        found[name] = {
            "per_cpu_second": spread(rates),
            "per_wall_second": spread(walls),
            "peak_mib": each[-1]["peak_mib"],
            "grown_mib": round(each[-1]["peak_mib"] - each[-1]["built_mib"], 1),
            "versions": each[-1]["versions"],
            **{key: value for key, value in each[-1].items() if key not in kept},
        }
    return found


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and most."""
    return {
        "median": round(statistics.median(values), 4),
        "least": round(min(values), 4),
        "most": round(max(values), 4),
    }


def bar(name: str, ours: dict[str, Any], theirs: dict[str, Any], least: float) -> dict[str, Any]:
    """Say how many times faster one arm's median is than another's, and whether that reaches the bar.

    CPU seconds count, on a GPU seconds.
    """
    each = "per_wall_second" if "gpu" in ours else "per_cpu_second"
    ratio = ours[each]["median"] / theirs[each]["median"]
    return {"what": name, "bar": least, "measured": round(ratio, 2), "passed": ratio >= least}


def circumstances() -> dict[str, Any]:
    """What a figure depends on besides the code."""
    revision = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, cwd=ROOT)
    return {
        "git": revision.stdout.strip(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": _processor(),
        "threads": 1,
        "load": [round(x, 2) for x in os.getloadavg()],
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next(
        (x.partition(":")[2].strip() for x in lines if x.startswith("model name")), platform.machine()
    )
