"""Bad input and bad luck: one sentence that says what, where and what to do; the last checkpoint is kept."""

import errno
import json
import pickle
import resource
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.rlhf.conftest import comparisons, demonstrations, texts, write_config, write_dataset
from tests.rlhf.forks import start, wait
from tests.rlhf.stages import LENGTHS, link, ppo_settings, prepare_ppo, prepare_sft, result, run_stage
from training.rlhf import checkpoint, sft
from training.rlhf.checkpoint import newest_checkpoint
from training.rlhf.health import findings

SFT = {"lengths": LENGTHS, "sft": {"epochs": 2, "minibatch_size": 8}, "report": {"checkpoint_every": 1}}


def run_broken(stage: str, folder: Path, settings: dict[str, Any], before: Callable[[], object]) -> str:
    """Run a stage in a process where something breaks; returns what it says."""
    write_config(folder, stage, {**settings, "threads": 1})
    assert wait(start(stage, folder, before=before)) == [1]
    assert result(folder)["state"] == "failed"
    return str(result(folder)["reason"])


@pytest.mark.parametrize(
    ("stage", "kind", "key"),
    [
        ("pretrain", "pretrain", "dataset"),
        ("sft", "sft", "dataset"),
        ("reward", "comparisons", "dataset"),
        ("dpo", "comparisons", "dataset"),
        ("ppo", "ppo_prompts", "prompts"),
        ("sample", "ppo_prompts", "prompts"),
    ],
)
def test_an_empty_dataset_is_refused_by_name(
    stage: str, kind: str, key: str, base_folder: Path, tmp_path: Path
) -> None:
    folder = prepare_ppo(tmp_path / "run", base_folder)
    shutil.rmtree(folder / "inputs/prompts")
    write_dataset(folder / f"inputs/{key}", kind, train=[])
    assert run_stage(folder, stage, {} if stage == "pretrain" else {"lengths": LENGTHS}) == 2
    assert "at least one is needed" in result(folder)["reason"]
    assert f"inputs/{key} has no" in result(folder)["reason"]


@pytest.mark.parametrize("stage", ["reward", "dpo"])
def test_rankings_of_ties_only_are_refused(stage: str, base_folder: Path, tmp_path: Path) -> None:
    rows = comparisons(4)
    for row in rows:
        row["outputs"] = [{**output, "rank": 2} for output in row["outputs"]]
    write_dataset(tmp_path / "inputs/dataset", "comparisons", train=rows)
    link(tmp_path, policy=base_folder)
    assert run_stage(tmp_path, stage, {"lengths": LENGTHS}) == 2
    assert "at least one response must be preferred to another" in result(tmp_path)["reason"]


def test_a_prompt_longer_than_its_limit_is_cut_counted_and_said(base_folder: Path, tmp_path: Path) -> None:
    rows = [{**row, "prompt": "say " * 400 + row["prompt"]} for row in demonstrations(16)]
    write_dataset(tmp_path / "inputs/dataset", "sft", train=rows)
    link(tmp_path, policy=base_folder)
    assert run_stage(tmp_path, "sft", SFT) == 0
    assert result(tmp_path)["metrics"]["data/prompts_cut"] == 16
    said = [finding.says for finding in findings(tmp_path / "metrics.jsonl")]
    assert "16 prompts were longer than the limit and had to be cut." in said


@pytest.mark.parametrize("stage", ["reward", "dpo"])
def test_responses_of_rankings_longer_than_their_limit_are_counted_and_said(
    stage: str, base_folder: Path, tmp_path: Path
) -> None:
    rows = comparisons(16)
    for row in rows:
        row["outputs"][0]["text"] = "say " * 400
    write_dataset(tmp_path / "inputs/dataset", "comparisons", train=rows)
    link(tmp_path, policy=base_folder)
    lengths = {"max_prompt_tokens": 16, "max_response_tokens": 64}
    assert run_stage(tmp_path, stage, {"lengths": lengths}) == 0
    assert result(tmp_path)["metrics"]["data/truncated"] == 16
    said = [finding.says for finding in findings(tmp_path / "metrics.jsonl")]
    assert "16 responses were longer than the limit and had to be cut." in said


def test_limits_beyond_the_context_are_refused_with_both_numbers(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    lengths = {"max_prompt_tokens": 100, "max_response_tokens": 100}
    assert run_stage(folder, "sft", {**SFT, "lengths": lengths}) == 2
    assert "make 200, the model of inputs.policy reads 128; lower one." in result(folder)["reason"]


NARROW: list[tuple[str, str, dict[str, Any]]] = [
    ("ppo", "reward", {}),
    ("ppo", "reference", {}),
    ("ppo", "gold", {}),
    ("ppo", "reward", {"lora": {"rank": 2}}),
    ("ppo", "reference", {"lora": {"rank": 2}}),
    ("sft", "reward", {}),
    ("dpo", "reference", {}),
    ("sample", "reward", {}),
    ("evaluate", "reward", {"inputs": {"dataset": "inputs/rankings"}}),
    ("evaluate", "gold", {"inputs": {name: f"inputs/{name}" for name in ("policy", "prompts", "reward")}}),
]


@pytest.mark.parametrize(("stage", "name", "given"), NARROW)
def test_every_model_that_reads_less_than_the_lengths_is_refused_by_name(
    stage: str, name: str, given: dict[str, Any], base_folder: Path, tmp_path: Path
) -> None:
    folder = prepare_ppo(tmp_path / "run", base_folder)
    narrow = Path(
        shutil.copytree(base_folder if name == "reference" else folder / "reward", tmp_path / "narrow")
    )
    about = json.loads((narrow / "config.json").read_text())
    (narrow / "config.json").write_text(json.dumps({**about, "max_position_embeddings": 10}))
    rows = {"train": demonstrations(8), "valid": demonstrations(4, 1)}
    write_dataset(folder / "inputs/demonstrations", "sft", **rows)
    write_dataset(folder / "inputs/rankings", "comparisons", train=comparisons(8), valid=comparisons(4))
    data = {"sft": {"dataset": "inputs/demonstrations"}, "dpo": {"dataset": "inputs/rankings"}}
    inputs = {**data.get(stage, {}), **given.get("inputs", {}), name: str(narrow)}
    assert run_stage(folder, stage, {"lengths": LENGTHS, **given, "inputs": inputs}) == 2
    assert f"make 24, the model of inputs.{name} reads 10; lower one." in result(folder)["reason"]


def change_tokenizer(folder: Path, **changes: Any) -> None:
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        path = folder / name
        if path.is_file():
            found = json.loads(path.read_text())
            found.update(changes)
            path.write_text(json.dumps({k: v for k, v in found.items() if v is not None}))


def test_a_tokenizer_without_end_token_is_refused(base_folder: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(base_folder, tmp_path / "base"))
    change_tokenizer(base, eos_token=None)
    folder = prepare_sft(tmp_path / "run", base)
    assert run_stage(folder, "sft", SFT) == 2
    assert "has no end token; set eos_token in it" in result(folder)["reason"]


def test_a_tokenizer_that_pads_with_its_end_token_learns_to_stop(base_folder: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(base_folder, tmp_path / "base"))
    change_tokenizer(base, pad_token="<|eos|>")
    folder = prepare_sft(tmp_path / "run", base)
    settings = {**SFT, "optim": {"learning_rate": 1e-2}, "sft": {"epochs": 12, "minibatch_size": 8}}
    assert run_stage(folder, "sft", settings) == 0
    sample = Path(shutil.copytree(tmp_path / "run", tmp_path / "sample", symlinks=True))
    for name in ("result.json", "metrics.jsonl"):
        (sample / name).unlink()
    (sample / "inputs/policy").unlink()
    link(sample, policy=folder / "model", prompts=folder / "inputs/dataset")
    greedy = {"k": 1, "temperature": 0.0}
    assert run_stage(sample, "sample", {"lengths": LENGTHS, "sample": greedy}) == 0
    assert result(sample)["metrics"]["objective/eos_fraction"] > 0.8


def test_a_number_that_is_none_ends_the_run_and_keeps_the_last_good_checkpoint(
    base_folder: Path, tmp_path: Path
) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    whole = sft.backward
    calls = iter(range(100))

    def poisoned(*args: Any) -> tuple[float, int]:
        loss, tokens = whole(*args)
        return (float("nan"), tokens) if next(calls) == 4 else (loss, tokens)

    said = run_broken("sft", folder, SFT, lambda: setattr(sft, "backward", poisoned))
    assert said == ("loss/sft became nan at step 5; lower optim.learning_rate or look at the last metrics.")
    found = newest_checkpoint(folder / "checkpoints")
    assert found is not None
    assert found.step == 4
    # Started again without the poison it goes on from there and finishes.
    assert run_stage(folder, "sft", SFT) == 0


def fill_disk_at(call: int) -> None:
    calls = iter(range(1, 100))

    def full(tensors: dict[str, torch.Tensor], path: Path) -> None:
        if next(calls) == call:
            path.write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        save_file(tensors, path)

    patch = pytest.MonkeyPatch()  # the process ends with it
    patch.setattr(checkpoint, "save_file", full)


def test_a_full_disk_is_said_and_the_last_checkpoint_stays(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    said = run_broken("sft", folder, SFT, lambda: fill_disk_at(4))
    assert f"The disk that holds {folder} is full" in said
    assert said.endswith("start the run again. It would go on from the checkpoint after step 3.")
    left = sorted(path.name for path in (folder / "checkpoints").iterdir())
    assert left == ["step-00000002", "step-00000003"]
    assert not (folder / ".reserve").exists()
    assert run_stage(folder, "sft", SFT) == 0


def test_too_little_memory_is_said_with_the_setting_to_lower(tmp_path: Path) -> None:
    write_dataset(tmp_path / "inputs/dataset", "pretrain", train=texts(40))
    wide = {"vocab_size": 300, "layers": 12, "width": 2048, "heads": 8}

    def limit() -> None:
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + (300 << 20), used + (300 << 20)))

    said = run_broken("pretrain", tmp_path, {"pretrain": wide}, limit)
    assert said.startswith("Memory ran out")
    assert "lower pretrain.minibatch_size or pretrain.sequence_tokens" in said
    assert said.endswith("There is no checkpoint yet: it would begin anew.")


class Trap:
    """A pickle that leaves a file behind when it is loaded."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (self.path, "w")


def set_traps(folder: Path, sprung: Path, names: Sequence[str]) -> None:
    for name in names:
        (folder / name).write_bytes(pickle.dumps(Trap(str(sprung))))


PICKLES = ("pytorch_model.bin", "model.pt", "optimizer.pt", "training_args.bin", "rng_state.pth", "head.pkl")


def test_pickles_beside_the_weights_are_never_read(base_folder: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(base_folder, tmp_path / "base"))
    set_traps(base, tmp_path / "sprung", PICKLES)
    folder = prepare_ppo(tmp_path / "run", base)
    set_traps(folder / "reward", tmp_path / "sprung", PICKLES)
    settings = {**ppo_settings(), "report": {"checkpoint_every": 1}}
    assert run_stage(folder, "ppo", settings) == 0
    for path in (folder / "checkpoints").iterdir():
        set_traps(path, tmp_path / "sprung", PICKLES)
    (folder / "result.json").unlink()
    assert run_stage(folder, "ppo", settings) == 0
    assert not (tmp_path / "sprung").exists()
    assert not [
        path
        for path in folder.rglob("*")
        if path.suffix in (".bin", ".pt", ".pth", ".pkl") and path.parent.name == "model"
    ]


def test_weights_that_are_only_pickled_are_refused_unread(base_folder: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(base_folder, tmp_path / "base"))
    (base / "model.safetensors").unlink()
    set_traps(base, tmp_path / "sprung", PICKLES)
    folder = prepare_sft(tmp_path / "run", base)
    assert run_stage(folder, "sft", SFT) == 2
    assert "no model could be loaded from" in result(folder)["reason"]
    assert not (tmp_path / "sprung").exists()


def test_code_of_a_model_folder_is_never_run(base_folder: Path, tmp_path: Path) -> None:
    base = Path(shutil.copytree(base_folder, tmp_path / "base"))
    (base / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    config = json.loads((base / "config.json").read_text())
    config |= {"model_type": "trap", "auto_map": {"AutoConfig": "trap.A", "AutoModelForCausalLM": "trap.B"}}
    (base / "config.json").write_text(json.dumps(config))
    folder = prepare_sft(tmp_path / "run", base)
    assert run_stage(folder, "sft", SFT) == 2
    assert not (tmp_path / "sprung").exists()
