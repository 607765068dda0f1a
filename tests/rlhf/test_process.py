"""The process: its exit statuses, its result, stopping and going on."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.rlhf.conftest import texts, write_config, write_dataset
from tests.rlhf.stages import LENGTHS, link, prepare_sft, result, run_stage
from training.rlhf.__main__ import main

COMMAND = [sys.executable, "-m", "training.rlhf"]
ROOT = Path(__file__).parents[2]


def test_a_wrong_config_is_refused_with_key_value_and_what_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('stage = "sft"\n[sft]\nepochs = 0\n')
    assert main(["sft", "--config", str(tmp_path / "run.toml")]) == 2
    assert result(tmp_path)["state"] == "failed"
    assert "sft.epochs is 0; allowed is a whole number, 1 or more." in result(tmp_path)["reason"]


def test_a_config_of_another_stage_is_refused(tmp_path: Path) -> None:
    path = write_config(tmp_path, "sft", {})
    assert main(["reward", "--config", str(path)]) == 2
    assert "configures stage sft, not reward" in result(tmp_path)["reason"]


def test_a_missing_input_is_refused(tmp_path: Path) -> None:
    assert run_stage(tmp_path, "sft", {}) == 2
    assert "inputs.dataset" in result(tmp_path)["reason"]


def test_a_finished_run_started_again_does_nothing(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    settings = {"lengths": LENGTHS, "sft": {"epochs": 1}}
    assert run_stage(folder, "sft", settings) == 0
    written = (folder / "metrics.jsonl").read_text()
    assert run_stage(folder, "sft", settings) == 0
    assert (folder / "metrics.jsonl").read_text() == written


def test_an_unexpected_error_is_a_crash_with_its_words_as_reason(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    (folder / "metrics.jsonl").mkdir()
    assert run_stage(folder, "sft", {"lengths": LENGTHS, "sft": {"epochs": 1}}) == 1
    assert result(folder)["reason"].startswith("IsADirectoryError: ")


def test_a_terminated_process_saves_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """SIGTERM in the middle of a real process: exit 3, a checkpoint, and the second start finishes."""
    write_dataset(tmp_path / "inputs/dataset", "pretrain", train=texts(100))
    pretrain = {
        "vocab_size": 320,
        "layers": 1,
        "width": 16,
        "heads": 1,
        "context": 32,
        "steps": 1500,
        "minibatch_size": 2,
        "sequence_tokens": 8,
    }
    path = write_config(tmp_path, "pretrain", {"pretrain": pretrain})
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*COMMAND, "pretrain", "--config", str(path)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert any("training: 1 of" in line for line in process.stdout)
    process.send_signal(signal.SIGTERM)
    process.stdout.read()
    assert process.wait(timeout=30) == 3
    process.stdout.close()
    assert result(tmp_path)["state"] == "cancelled"
    assert "it can be resumed" in result(tmp_path)["reason"]
    done = json.loads((next((tmp_path / "checkpoints").iterdir()) / "manifest.json").read_text())["step"]
    assert 1 <= done < pretrain["steps"]
    assert main(["pretrain", "--config", str(path)]) == 0
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == pretrain["steps"]


def test_the_cancel_file_of_an_honoured_request_is_forgotten(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    settings = {"lengths": LENGTHS, "sft": {"epochs": 1}}
    (folder / "cancel").touch()
    assert run_stage(folder, "sft", settings) == 3
    assert run_stage(folder, "sft", settings) == 0
    assert not (folder / "cancel").exists()


def test_reading_a_config_does_not_load_torch() -> None:
    code = "import sys, training.rlhf.config, training.rlhf.__main__; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_a_base_model_is_loaded_from_a_relative_path(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    (folder / "inputs/policy").unlink()
    link(tmp_path, elsewhere=base_folder)
    settings = {"lengths": LENGTHS, "sft": {"epochs": 1}, "inputs": {"policy": "../inputs/elsewhere"}}
    assert run_stage(folder, "sft", settings) == 0
