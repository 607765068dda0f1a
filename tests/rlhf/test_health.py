"""The numbers of a run in plain words: nothing said of a healthy run, the cause named for a sick one."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from training.rlhf.health import ALARMS, CHECKS, findings, main
from training.rlhf.metrics import METRICS

ROOT = Path(__file__).parents[2]
STEPS = 40
WAVE = [(-1.0) ** i for i in range(STEPS)]
RISING = [0.1 * i for i in range(STEPS)]
HEALTHY = {
    "ppo/ratio_first": [0.0] * STEPS,
    "objective/kl": [0.2 * i for i in range(STEPS)],
    "sampler/kl": [1e-5] * STEPS,
    "objective/score_std": [1.0] * STEPS,
    "objective/response_tokens": [30.0] * STEPS,
    "objective/eos_fraction": [0.95] * STEPS,
    "objective/entropy": [2.0] * STEPS,
    "ppo/explained_variance": [0.4] * STEPS,
    "ppo/clip_fraction": [0.05] * STEPS,
    "ppo/policy_grad_norm": [1.0] * STEPS,
    "loss/ptx": [3.0] * STEPS,
    "valid/score": [0.1 * i for i in range(STEPS)],
    "valid/gold_score": [0.05 * i for i in range(STEPS)],
    "valid/accuracy": [0.7],
    "valid/accuracy_low": [0.65],
    "reward/accuracy": [0.72] * STEPS,
    "valid/calibration_error": [0.03],
    "data/examples": [100.0],
    "data/truncated": [1.0],
}
SICK = {
    "ppo/ratio_first": [0.0] * (STEPS - 1) + [0.3],
    "objective/kl": [-0.5] * STEPS,
    "sampler/kl": [0.3] * STEPS,
    "objective/score_std": [0.0] * STEPS,
    "objective/response_tokens": [10.0 + i for i in range(STEPS)],
    "objective/eos_fraction": [0.1] * STEPS,
    "objective/entropy": [2.0] * 20 + [0.01] * 20,
    "ppo/explained_variance": [-0.4] * STEPS,
    "ppo/clip_fraction": [0.6] * STEPS,
    "ppo/policy_grad_norm": [1.0] * (STEPS - 1) + [500.0],
    "loss/ptx": [3.0 + 0.05 * i for i in range(STEPS)],
    "valid/gold_score": [0.1 * min(i, 50 - 2 * i) for i in range(STEPS)],
    "valid/accuracy_low": [0.45],
    "reward/accuracy": [0.99] * STEPS,
    "valid/calibration_error": [0.3],
    "data/truncated": [50.0],
}


def write(folder: Path, columns: dict[str, list[float]]) -> Path:
    path = folder / "metrics.jsonl"
    with path.open("w") as file:
        for step in range(STEPS):
            row = {name: values[step] for name, values in columns.items() if step < len(values)}
            file.write(json.dumps({"step": step + 1, "at": 0.0, **row}) + "\n")
        file.write('{"step": 41, "loss/po')  # a killed process
    return path


def test_nothing_stands_out_in_a_healthy_run(tmp_path: Path) -> None:
    assert findings(write(tmp_path, HEALTHY)) == []


@pytest.mark.parametrize("name", list(SICK))
def test_each_sickness_is_named_with_cause_and_cure(name: str, tmp_path: Path) -> None:
    [finding] = findings(write(tmp_path, {**HEALTHY, name: SICK[name]}))
    assert finding.metric == name
    assert finding.says.endswith(".")
    assert finding.cause
    assert finding.do


def test_a_policy_far_from_its_reference_is_named(tmp_path: Path) -> None:
    [finding] = findings(write(tmp_path, {**HEALTHY, "objective/kl": [50.0] * STEPS}))
    assert "50 nats away" in finding.says


def watched(folder: Path, gold: list[float], score: list[float], spread: float = 1.0) -> list[str]:
    columns = {"valid/gold_score": gold, "valid/score": score, "objective/score_std": [spread] * len(gold)}
    return [finding.metric for finding in findings(write(folder, columns))]


@pytest.mark.parametrize(
    ("gold", "score"),
    [
        ([2.0, 1.1, 0.2], [4.0, 4.01, 4.0]),
        ([0.0, 1.0, 2.0, 1.5, 1.0, 0.5, 0.2, 0.1], [0.0, 1.0, 2.0, 3.0, 3.5, 3.8, 3.9, 3.85]),
        ([2.0 - 0.04 * i + 0.05 * WAVE[i] for i in range(STEPS)], [3.0 + 0.02 * x for x in WAVE]),
    ],
)
def test_gold_that_falls_under_a_score_that_holds_is_named(
    gold: list[float], score: list[float], tmp_path: Path
) -> None:
    assert watched(tmp_path, gold, score) == ["valid/gold_score"]


@pytest.mark.parametrize(
    ("gold", "score"),
    [
        ([1.0, 0.9995, 0.9999], [1.0, 2.0, 3.0]),  # stands still
        ([1.0 + 0.3 * x for x in WAVE], RISING),  # noise
        ([0.0, 1.0, 2.0, 1.0, 0.0, -1.0, -2.0], [0.0, 1.0, 2.0, 1.0, 0.0, -1.0, -2.0]),  # both fall
        ([*RISING[:-1], 3.5], RISING),  # the last point alone
    ],
)
def test_gold_that_stands_shakes_or_falls_with_the_score_is_not(
    gold: list[float], score: list[float], tmp_path: Path
) -> None:
    assert watched(tmp_path, gold, score) == []


def test_the_page_names_every_alarm_with_its_threshold() -> None:
    page = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
    table = page.split("## Findings")[1].split("\n## ")[0]
    rows = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("| `")]
    named = {name: float(x) for names, x in rows for name in re.findall(r"`([a-z]+/[a-z_]+)`", names)}
    assert named == ALARMS


def test_every_check_reads_metrics_that_exist() -> None:
    source = (ROOT / "training/rlhf/health.py").read_text()
    named = set(re.findall(r'"((?:[a-z]+)/[a-z_]+)"', source))
    assert len(CHECKS) > 12
    assert named <= METRICS.keys()


def test_a_run_without_numbers_is_not_judged(tmp_path: Path) -> None:
    assert findings(tmp_path / "metrics.jsonl") == []


def test_the_command_prints_the_findings_and_fails_on_bad_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, HEALTHY)
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().out == "Nothing stands out.\n"
    write(tmp_path, {**HEALTHY, "objective/kl": SICK["objective/kl"]})
    assert main([str(tmp_path)]) == 1
    assert "BAD objective/kl: The KL to the reference is negative" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([str(tmp_path / "nowhere")])


def test_the_command_needs_no_torch() -> None:
    code = "import sys, training.rlhf.health; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
