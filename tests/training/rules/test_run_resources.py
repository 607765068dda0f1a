"""What a run takes of its machine: copied once, thinned, drawn over minutes; and measured for real."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.factories import sft_run
from training.models import Run, RunResources
from training.rlhf.resources import Meter, gpu_usage
from training.rules.run_resources import MOST_SAMPLES, ResourcesTail, resource_charts, store_samples


@pytest.fixture
def run(db: None) -> Run:
    return sft_run()


def sample(at: float, cpu: float = 1.0) -> dict[str, float]:
    return {"at": at, "cpu": cpu, "memory_bytes": 2 * 1024**3}


def test_lines_are_copied_once_by_whichever_worker(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "resources.jsonl"
    path.write_text("".join(json.dumps(sample(at)) + "\n" for at in (10.0, 15.0)) + '{"at": 20.0, "cp')
    assert ResourcesTail(run, tmp_path).copy() == 2
    assert ResourcesTail(run, tmp_path).copy() == 0
    with path.open("a") as file:
        file.write('u": 3.0}\nno json\n[]\n{"cpu": 9}\n')
    assert ResourcesTail(run, tmp_path).copy() == 1
    row = RunResources.objects.get(run=run)
    assert (row.count, row.latest["cpu"], row.peak["cpu"]) == (3, 3.0, 3.0)


def test_a_long_run_keeps_so_many_samples_and_its_highest(run: Run) -> None:
    store_samples(run, (sample(n * 5.0, cpu=7.5 if n == 3001 else 1.0) for n in range(1, 5001)))
    row = RunResources.objects.get(run=run)
    assert len(row.samples) <= MOST_SAMPLES
    cpu = next(chart for chart in resource_charts(run) if chart.name == "resources/cpu")
    assert (cpu.last, cpu.highest, cpu.unit) == (1.0, 7.5, "cores")
    assert cpu.points[0][0] == 0
    assert cpu.points[-1][0] == pytest.approx(4999 * 5 / 60, abs=0.01)
    memory = next(chart for chart in resource_charts(run) if chart.name == "resources/memory_bytes")
    assert memory.last == 2.0


def test_a_run_that_was_not_measured_has_no_chart(run: Run) -> None:
    assert resource_charts(run) == []


def test_the_meter_counts_what_processes_of_the_session_use(tmp_path: Path) -> None:
    busy = "import time; end = time.monotonic() + 8\nwhile time.monotonic() < end: sum(range(10000))"
    child = subprocess.Popen([sys.executable, "-c", busy])
    meter = Meter(tmp_path, every=0.4)
    meter.start()
    path = tmp_path / "resources.jsonl"
    deadline = time.monotonic() + 20
    try:
        while time.monotonic() < deadline and not (path.exists() and path.read_text().count("\n") >= 3):
            time.sleep(0.1)
    finally:
        meter.stop()
        child.kill()
        child.wait()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) >= 3
    assert max(line["cpu"] for line in lines) > 0
    assert all(line["memory_bytes"] > 1024**2 and line["disk_free_bytes"] > 0 for line in lines)


def test_a_driver_that_does_not_answer_is_left_out(tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    assert gpu_usage(str(program)) == {}
    program.write_text("#!/bin/sh\necho '50, 1024'\necho '100, 2048'\n")
    assert gpu_usage(str(program)) == {"gpu": 0.75, "gpu_memory_bytes": 3072 * 1024**2}
