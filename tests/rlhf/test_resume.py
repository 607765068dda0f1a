"""Kill a real process at any moment, start it again: bit for bit the run that was never stopped.

A child process is forked, so that torch need not be loaded twenty times, and killed with SIGKILL: nothing
of it is warned, flushed or cleaned up. Compared are the weights, the newest checkpoints byte by byte
(optimizer, averaged weights, best epoch so far, random state, KL controller) and every number that was
logged (losses, rates, order of data).
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rlhf.conftest import texts, write_config, write_dataset
from tests.rlhf.forks import start, wait
from tests.rlhf.stages import (
    LENGTHS,
    copy_run,
    make_reward_model,
    ppo_settings,
    prepare_ppo,
    prepare_reward,
    prepare_sft,
    result,
    same_weights,
)

TRIALS = 20
EVERY_STEP = {"checkpoint_every": 1, "log_every": 1}
TINY = {"vocab_size": 300, "layers": 1, "width": 16, "heads": 2, "context": 32, "sequence_tokens": 16}
Prepare = Callable[[Path, Path], Path]


def prepare_pretrain(folder: Path, base: Path) -> Path:
    write_dataset(folder / "inputs/dataset", "pretrain", train=texts(40))
    return folder


def prepare_sft_with_selection(folder: Path, base: Path) -> Path:
    make_reward_model(folder / "reward", base)
    return prepare_sft(folder, base)


STAGES: dict[str, tuple[Prepare, dict[str, Any]]] = {
    "pretrain": (prepare_pretrain, {"pretrain": {**TINY, "steps": 12, "minibatch_size": 4}}),
    "sft": (
        prepare_sft_with_selection,
        {
            "inputs": {"pretrain": "inputs/pretrain", "reward": "reward"},
            "lengths": LENGTHS,
            "sft": {"epochs": 2, "minibatch_size": 6, "pretrain_fraction": 0.2},
        },
    ),
    "reward": (
        prepare_reward,
        {
            "inputs": {"demonstrations": "inputs/demonstrations"},
            "lengths": LENGTHS,
            "reward": {"minibatch_size": 10},
        },
    ),
    "dpo": (prepare_reward, {"lengths": LENGTHS, "dpo": {"minibatch_size": 10}}),
    "ppo": (
        prepare_ppo,
        {
            **ppo_settings(
                iterations=6, ptx_coef=0.5, ema_decay=0.9, inner_epochs=2, kl_target=0.5, kl_horizon=1000
            ),
            "inputs": {"pretrain": "inputs/pretrain"},
        },
    ),
}


def finish(stage: str, folder: Path) -> None:
    assert wait(start(stage, folder)) == [0], (folder / "log.txt").read_text()[-2000:]
    assert result(folder)["state"] == "finished"


def kill_after(stage: str, folder: Path, lines: int, seconds: float) -> bool:
    """Start a run and kill it some moments after it has logged so many steps; False if it was too quick."""
    pid = start(stage, folder)
    path = folder / "metrics.jsonl"
    ended = 0
    while not ended and (not path.exists() or path.read_bytes().count(b"\n") < lines):
        time.sleep(0.001)
        ended, _ = os.waitpid(pid, os.WNOHANG)
    time.sleep(seconds)
    if ended:
        return False
    os.kill(pid, signal.SIGKILL)
    return wait(pid) == [-signal.SIGKILL]


def logged(folder: Path) -> dict[int, dict[str, float]]:
    """Everything that was logged but the clock's part; of a step written twice the later line counts."""
    found: dict[int, dict[str, float]] = {}
    for line in (folder / "metrics.jsonl").read_text().splitlines():
        try:
            values = json.loads(line)
        except ValueError:  # cut off by the kill
            continue
        kept = {name: x for name, x in values.items() if name != "at" and not name.startswith("speed/")}
        found.setdefault(int(values["step"]), {}).update(kept)
    return found


def checkpoints(folder: Path) -> dict[str, bytes]:
    found = (folder / "checkpoints").glob("step-*/*")
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(found)}


def assert_same_run(straight: Path, stopped: Path) -> None:
    assert logged(straight) == logged(stopped)
    kept = checkpoints(straight)
    assert {name: data for name, data in checkpoints(stopped).items() if name in kept} == kept
    assert same_weights(straight, stopped)
    assert result(straight)["metrics"].keys() == result(stopped)["metrics"].keys()


@pytest.mark.slow
@pytest.mark.parametrize("stage", list(STAGES))
def test_a_run_killed_at_any_moment_goes_on_as_if_it_never_was(
    stage: str, base_folder: Path, tmp_path: Path
) -> None:
    prepare, settings = STAGES[stage]
    prepared = prepare(tmp_path / "prepared", base_folder)
    optim = {"learning_rate": 1e-3, "warmup_steps": 2}
    write_config(prepared, stage, {"optim": optim, **settings, "report": EVERY_STEP, "threads": 1})
    straight = copy_run(prepared, tmp_path / "straight")
    began = time.monotonic()
    finish(stage, straight)
    steps = max(logged(straight))
    each = (time.monotonic() - began) / steps
    source = random.Random(stage)
    killed = 0
    for trial in range(TRIALS // len(STAGES)):
        stopped = copy_run(prepared, tmp_path / f"stopped{trial}")
        killed += kill_after(stage, stopped, source.randrange(steps), source.random() * each)
        finish(stage, stopped)
        assert_same_run(straight, stopped)
    assert killed >= TRIALS // len(STAGES) // 2
