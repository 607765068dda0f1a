"""Several processes do what one does: whole models (ddp) and sharded ones (fsdp), over gloo on a CPU."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.rlhf.conftest import texts, tiny_model, write_config, write_dataset
from tests.rlhf.forks import run_together, start, wait
from tests.rlhf.stages import (
    LENGTHS,
    OPTIM,
    copy_run,
    metrics,
    ppo_config,
    ppo_settings,
    prepare_ppo,
    prepare_reward,
    prepare_sft,
    result,
    run_stage,
    same_weights,
    weights,
)
from training.rlhf import checkpoint, parallel, ppo
from training.rlhf.errors import RunRefusedError
from training.rlhf.model import load_policy, load_reward_model, save_policy
from training.rlhf.runtime import Run, pick_device
from training.rlhf.tokenizer import Codec

ROOT = Path(__file__).parents[2]
Prepare = Callable[[Path, Path], Path]
STAGES: dict[str, tuple[Prepare, dict[str, Any]]] = {
    "sft": (
        prepare_sft,
        {
            "inputs": {"pretrain": "inputs/pretrain"},
            "lengths": LENGTHS,
            "optim": OPTIM,
            "sft": {"epochs": 1, "minibatch_size": 8, "microbatch_tokens": 40, "pretrain_fraction": 0.2},
        },
    ),
    "reward": (
        prepare_reward,
        {
            "inputs": {"demonstrations": "inputs/demonstrations"},
            "lengths": LENGTHS,
            "optim": OPTIM,
            "reward": {"minibatch_size": 15, "microbatch_tokens": 120},
        },
    ),
    "dpo": (
        prepare_reward,
        {
            "lengths": LENGTHS,
            "optim": OPTIM,
            "dpo": {"minibatch_size": 15, "microbatch_tokens": 200},
        },
    ),
    "ppo": (
        prepare_ppo,
        {
            **ppo_settings(iterations=2, ptx_coef=0.5, ema_decay=0.9, inner_epochs=2),
            "inputs": {"pretrain": "inputs/pretrain", "gold": "inputs/reward"},
        },
    ),
}
WATCHED = {"sft": "valid/loss", "reward": "valid/accuracy", "dpo": "valid/dpo_loss", "ppo": "objective/score"}


def together(stage: str, folder: Path, settings: dict[str, Any], way: str, processes: int = 2) -> list[int]:
    write_config(folder, stage, {**settings, "threads": 1, "processes": processes, "parallel": way})
    return run_together(stage, folder, processes)


def assert_close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, x in one.items():
        assert torch.allclose(x, other[name], atol=2e-5, rtol=1e-4), name


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ddp", "fsdp"])
@pytest.mark.parametrize("stage", list(STAGES))
def test_two_processes_train_what_one_does(stage: str, way: str, base_folder: Path, tmp_path: Path) -> None:
    prepare, settings = STAGES[stage]
    prepared = prepare(tmp_path / "prepared", base_folder)
    alone, both = copy_run(prepared, tmp_path / "alone"), copy_run(prepared, tmp_path / "both")
    assert run_stage(alone, stage, settings) == 0
    assert together(stage, both, settings, way) == [0, 0], (both / "log.txt").read_text()[-3000:]
    assert_close(weights(alone), weights(both))
    name = WATCHED[stage]
    assert metrics(both, name) == pytest.approx(metrics(alone, name), rel=1e-4)
    lines = [(folder / "metrics.jsonl").read_text().count("\n") for folder in (alone, both)]
    assert lines[0] == lines[1]  # one process writes
    if stage == "ppo":
        assert metrics(both, "valid/gold_score") == pytest.approx(
            metrics(alone, "valid/gold_score"), rel=1e-4
        )
    if stage == "reward":
        heads = [dict(load_file(folder / "model/head.safetensors")) for folder in (alone, both)]
        assert_close(*heads)


@pytest.mark.slow
def test_sharded_models_are_run_equally_often_where_tokens_cut_the_rollout(
    base_folder: Path, tmp_path: Path
) -> None:
    prepared = prepare_ppo(tmp_path / "prepared", base_folder)
    prompts = [{"id": f"p{i}", "prompt": "say " * words} for i, words in enumerate((1, 2, 5, 9, 14))]
    write_dataset(tmp_path / "uneven", "ppo_prompts", train=prompts, valid=prompts)
    given = {**ppo_settings(iterations=2, microbatch_tokens=50), "seed": 4}
    given["inputs"] = {"prompts": "../uneven"}
    alone, both = copy_run(prepared, tmp_path / "alone"), copy_run(prepared, tmp_path / "both")
    assert run_stage(alone, "ppo", given) == 0
    assert together("ppo", both, given, "fsdp") == [0, 0], (both / "log.txt").read_text()[-3000:]
    assert_close(weights(alone), weights(both))
    assert metrics(both, "ppo/ratio_first") == [0.0, 0.0]


def test_two_processes_write_the_responses_that_one_does(base_folder: Path, tmp_path: Path) -> None:
    prepared = prepare_ppo(tmp_path / "prepared", base_folder)
    for stage, settings in (
        ("sample", {"inputs": {"reward": "inputs/reward"}, "sample": {"k": 3, "microbatch_size": 6}}),
        (
            "evaluate",
            {
                "inputs": {
                    "policy": "inputs/policy",
                    "reference": "inputs/policy",
                    "reward": "inputs/reward",
                    "prompts": "inputs/prompts",
                },
                "evaluate": {"split": "train", "k": 2, "microbatch_size": 6},
            },
        ),
    ):
        alone, both = (copy_run(prepared, tmp_path / f"{stage} {name}") for name in ("alone", "both"))
        given = {**settings, "lengths": LENGTHS, "threads": 1}
        assert run_stage(alone, stage, given) == 0
        write_config(both, stage, {**given, "processes": 2})
        assert run_together(stage, both, 2) == [0, 0], (both / "log.txt").read_text()[-3000:]
        assert (both / "responses.jsonl").read_text() == (alone / "responses.jsonl").read_text()
        for name in ("objective/score", "objective/response_tokens"):
            assert metrics(both, name) == pytest.approx(metrics(alone, name), rel=1e-6)


def test_two_processes_pretrain_what_one_does(tmp_path: Path) -> None:
    prepared = tmp_path / "prepared"
    write_dataset(prepared / "inputs/dataset", "pretrain", train=texts(40), valid=texts(10, 1))
    shape = {"vocab_size": 300, "layers": 1, "width": 16, "heads": 2, "context": 32}
    given = {"pretrain": {**shape, "steps": 3, "minibatch_size": 5, "sequence_tokens": 16}, "threads": 1}
    alone, both = (copy_run(prepared, tmp_path / name) for name in ("alone", "both"))
    assert run_stage(alone, "pretrain", given) == 0
    write_config(both, "pretrain", {**given, "processes": 2})
    assert run_together("pretrain", both, 2) == [0, 0], (both / "log.txt").read_text()[-3000:]
    assert_close(weights(alone), weights(both))


@pytest.mark.slow
@pytest.mark.parametrize("way", ["ddp", "fsdp"])
def test_a_stopped_run_of_two_processes_goes_on_bit_for_bit(
    way: str, base_folder: Path, tmp_path: Path
) -> None:
    settings = {**STAGES["ppo"][1], "report": {"checkpoint_every": 1}}
    straight = prepare_ppo(tmp_path / "straight", base_folder)
    assert together("ppo", straight, settings, way) == [0, 0]
    again = copy_run(straight, tmp_path / "again")
    (again / "result.json").unlink()  # as if it had died while saving
    assert together("ppo", again, settings, way) == [0, 0]
    one, other = weights(straight), weights(again)
    assert all(torch.equal(one[name], other[name]) for name in one)
    # The same checkpoint serves one process alone.
    alone = copy_run(straight, tmp_path / "alone")
    (alone / "result.json").unlink()
    assert run_stage(alone, "ppo", settings) == 0
    assert_close(one, weights(alone))


def test_no_model_is_loaded_before_the_one_before_it_is_sharded(
    base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare_ppo(tmp_path / "run", base_folder)
    config = dataclasses.replace(ppo_config(), parallel="fsdp")
    config = dataclasses.replace(config, inputs=dataclasses.replace(config.inputs, gold="inputs/reward"))
    seen: list[tuple[str, int]] = []

    def noted(load: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            found = load(*args, **kwargs)
            seen.append(("loaded", id(found[0])))
            return found

        return wrapped

    monkeypatch.setattr(ppo, "load_policy", noted(load_policy))
    monkeypatch.setattr(ppo, "load_reward_model", noted(load_reward_model))
    monkeypatch.setattr(ppo, "shard", lambda model, way: seen.append((f"cut as {way}", id(model))))
    run = Run(folder, config)
    models, codec = ppo.load_models(config, run)
    gold = ppo.load_gold(config, run, codec)
    each = [id(model) for model in (*models, gold)]
    assert seen == [(what, model) for model in each for what in ("loaded", "cut as fsdp")]
    assert [model.head.weight.requires_grad for model in (models.reward, models.value, gold) if model] == [
        False, True, False,
    ]  # fmt: skip


def test_only_the_main_process_keeps_what_is_gathered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = torch.nn.Sequential(*[torch.nn.Linear(3, 3) for _ in range(4)])
    made: list[weakref.ref[torch.Tensor]] = []
    held: list[int] = []

    def joined(x: torch.Tensor) -> torch.Tensor:
        held.append(sum(ref() is not None for ref in made))
        whole = x.clone()
        made.append(weakref.ref(whole))
        return whole

    for module in (parallel, checkpoint):
        monkeypatch.setattr(module, "full", joined)
        monkeypatch.setattr(module, "is_main", lambda: False)
    assert parallel.full_state(model) == {}
    checkpoint.save_checkpoint(tmp_path / "checkpoints", 1, {"model": model})
    assert len(held) == 17  # eight weights twice, and the random state
    assert max(held) == 0
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
def test_what_dropout_drops_depends_neither_on_processes_nor_on_a_stop(codec: Codec, tmp_path: Path) -> None:
    save_policy(tiny_model(codec, "gpt2"), codec, tmp_path / "gpt2", {"kind": "base"})
    prepared = prepare_sft(tmp_path / "prepared", tmp_path / "gpt2")
    settings = {**STAGES["sft"][1], "report": {"checkpoint_every": 2}}
    settings["sft"] = {**settings["sft"], "dropout": 0.2}
    alone, both = copy_run(prepared, tmp_path / "alone"), copy_run(prepared, tmp_path / "both")
    assert run_stage(alone, "sft", settings) == 0
    assert together("sft", both, settings, "ddp") == [0, 0], (both / "log.txt").read_text()[-3000:]
    assert_close(weights(alone), weights(both))
    again = copy_run(both, tmp_path / "again")
    (again / "result.json").unlink()  # as if it had died while saving
    assert together("sft", again, settings, "ddp") == [0, 0]
    assert same_weights(both, again)


def test_another_number_of_processes_than_configured_is_refused(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    write_config(folder, "sft", {"lengths": LENGTHS, "processes": 2})
    assert wait(start("sft", folder, {"WORLD_SIZE": "1"})) == [2]
    assert "processes is 2 but 1 were started" in result(folder)["reason"]


@pytest.mark.slow
def test_the_one_command_starts_all_processes_itself(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    path = write_config(folder, "sft", {**STAGES["sft"][1], "threads": 1, "processes": 2})
    line = [sys.executable, "-m", "training.rlhf", "sft", "--config", str(path)]
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert result(folder)["state"] == "finished"
    # Refused by every process, answered once, with the exit status of a refusal.
    path = write_config(folder, "sft", {"processes": 2})
    (folder / "result.json").unlink()
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ})
    assert done.returncode == 2
    assert "the model of inputs.policy reads 128" in result(folder)["reason"]


def test_more_processes_than_the_machine_has_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    chosen: list[int] = []
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: chosen[-1])
    monkeypatch.setenv("LOCAL_RANK", "3")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "16")
    with pytest.raises(RunRefusedError, match="16 processes were started on a machine with 8 GPUs"):
        pick_device("auto")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert pick_device("auto") == torch.device("cuda", 3)
    assert pick_device("cpu") == torch.device("cpu")


def test_parts_are_dealt_out_so_that_every_process_has_equally_many(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = list("abcde")
    monkeypatch.setattr(parallel, "size", lambda: 2)
    dealt = []
    for rank in (0, 1):
        monkeypatch.setattr(parallel, "rank", lambda rank=rank: rank)
        dealt.append(parallel.share(parts))
    assert [len(each) for each in dealt] == [3, 3]
    assert sorted(part for each in dealt for part, weight in each if weight) == parts
