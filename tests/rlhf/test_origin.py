"""A run goes on from its own checkpoint only: with its settings and its data, on whatever machine."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.rlhf.conftest import demonstrations, write_dataset
from tests.rlhf.stages import (
    LENGTHS,
    make_reward_model,
    ppo_settings,
    prepare_ppo,
    prepare_sft,
    result,
    run_stage,
)

SFT: dict[str, Any] = {
    "lengths": LENGTHS,
    "optim": {"learning_rate": 1e-3},
    "sft": {"epochs": 1, "minibatch_size": 8},
    "report": {"checkpoint_every": 2},
}


def again(folder: Path, stage: str, settings: dict[str, Any]) -> int:
    """Start a run once more, as if it had died while saving its model."""
    (folder / "result.json").unlink()
    return run_stage(folder, stage, settings)


def test_other_settings_do_not_go_on_and_are_named_with_both_values(
    base_folder: Path, tmp_path: Path
) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    assert run_stage(folder, "sft", SFT) == 0
    changed = {**SFT, "seed": 3, "optim": {"learning_rate": 5e-4}}
    assert again(folder, "sft", changed) == 2
    assert result(folder)["reason"] == (
        "the checkpoint after step 4 is of another run: seed was 0 and is 3, optim.learning_rate was 0.001 "
        f"and is 0.0005; put that back to go on, or remove {folder / 'checkpoints'} to begin anew."
    )
    assert again(folder, "sft", SFT) == 0
    shutil.rmtree(folder / "checkpoints")
    assert again(folder, "sft", changed) == 0


def test_where_a_run_works_what_it_says_and_what_it_holds_at_once_may_change(
    base_folder: Path, tmp_path: Path
) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    assert run_stage(folder, "sft", SFT) == 0
    moved = folder.rename(tmp_path / "moved")
    changed = {**SFT, "threads": 1, "device": "cpu", "report": {"checkpoint_every": 1, "log_every": 2}}
    changed["sft"] = {**SFT["sft"], "microbatch_tokens": 64}
    assert again(moved, "sft", changed) == 0


def replace_prompts(folder: Path) -> None:
    shutil.rmtree(folder / "inputs/prompts")
    write_dataset(folder / "inputs/prompts", "ppo_prompts", train=demonstrations(20, 7))


def replace_reward(folder: Path) -> None:
    shutil.rmtree(folder / "reward")
    make_reward_model(folder / "reward", folder / "inputs/policy", bias=0.7)


@pytest.mark.parametrize(("name", "replace"), [("prompts", replace_prompts), ("reward", replace_reward)])
def test_other_inputs_do_not_go_on(
    name: str, replace: Callable[[Path], None], base_folder: Path, tmp_path: Path
) -> None:
    folder = prepare_ppo(tmp_path / "run", base_folder)
    given = {**ppo_settings(iterations=2), "report": {"checkpoint_every": 1}}
    assert run_stage(folder, "ppo", given) == 0
    replace(folder)
    assert again(folder, "ppo", given) == 2
    reason = result(folder)["reason"]
    assert reason.startswith(f"the checkpoint after step 1 is of another run: inputs.{name} was ")


def test_a_checkpoint_of_an_earlier_version_is_taken_as_it_is(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    assert run_stage(folder, "sft", SFT) == 0
    for path in (folder / "checkpoints").iterdir():
        held = json.loads((path / "state.json").read_text())
        assert held.pop("origin")
        (path / "state.json").write_text(json.dumps(held))
        files = {file.name: file.stat().st_size for file in path.iterdir() if file.name != "manifest.json"}
        manifest = json.loads((path / "manifest.json").read_text())
        (path / "manifest.json").write_text(json.dumps({**manifest, "files": files}))
    assert again(folder, "sft", {**SFT, "seed": 3}) == 0


def test_samples_beyond_the_checkpoint_are_not_written_twice(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_ppo(tmp_path / "run", base_folder)
    given = {**ppo_settings(iterations=3), "report": {"checkpoint_every": 2, "sample_every": 1}}
    assert run_stage(folder, "ppo", given) == 0
    written = (folder / "samples.jsonl").read_text()
    assert written.count("\n") == 16  # four prompts before the first iteration and after each
    with (folder / "samples.jsonl").open("a") as file:
        file.write('{"step": 3, "prom')  # the kill came while it wrote
    assert again(folder, "ppo", given) == 0  # from the checkpoint after the second
    assert (folder / "samples.jsonl").read_text() == written
    shutil.rmtree(folder / "checkpoints")
    assert again(folder, "ppo", given) == 0
    assert (folder / "samples.jsonl").read_text() == written
