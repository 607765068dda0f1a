"""SFT: the response and its end are learned, the prompt is not, and nothing depends on how a step is cut."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.rlhf.conftest import demonstrations, tiny_model, write_dataset
from tests.rlhf.stages import (
    LENGTHS,
    copy_run,
    link,
    make_reward_model,
    metrics,
    prepare_sft,
    result,
    run_stage,
    same_weights,
)
from training.rlhf import sft
from training.rlhf.config import SftConfig, parse_config
from training.rlhf.data import Demonstration
from training.rlhf.losses import IGNORED, sft_loss
from training.rlhf.model import LanguageModel
from training.rlhf.runtime import Run
from training.rlhf.tokenizer import Codec, load_codec

ROWS = [Demonstration(str(i), "say red", " ".join(["red"] * (i + 1))) for i in range(6)]


def config_with(**settings: Any) -> SftConfig:
    config = parse_config("sft", {"lengths": LENGTHS, "sft": settings})
    assert isinstance(config, SftConfig)
    return config


def settings(**given: Any) -> dict[str, Any]:
    return {
        "lengths": LENGTHS,
        "optim": {"learning_rate": 1e-3},
        "sft": {"epochs": 2, "minibatch_size": 8, **given},
    }


def test_response_and_end_token_are_supervised_and_the_prompt_is_not(codec: Codec) -> None:
    config = config_with()
    for row, example in zip(ROWS, sft.encode(ROWS, codec, config), strict=True):
        supervised = example.ids[example.supervised_from :]
        assert codec.decode(supervised) == row.completion[: len(codec.decode(supervised))]
        if len(supervised) < LENGTHS["max_response_tokens"]:
            assert supervised[-1] == codec.eos_id
    [whole, *_] = sft.encode(ROWS, codec, config_with(loss_on_prompt=True))
    assert whole.supervised_from == 1


def test_the_end_token_is_supervised_even_where_padding_is_the_end_token(codec: Codec) -> None:
    original = codec.tokenizer.pad_token
    try:
        codec.tokenizer.pad_token = codec.tokenizer.eos_token
        [example] = sft.encode(ROWS[:1], codec, config_with())
        assert example.ids[-1] == codec.eos_id
        assert example.supervised_from < len(example.ids)
    finally:
        codec.tokenizer.pad_token = original


def gradients(
    model: LanguageModel, examples: Sequence[sft.Example], run: Run, config: SftConfig
) -> list[torch.Tensor]:
    model.zero_grad()
    sft.backward(model, examples, config, run, 0)
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def test_gradient_is_that_of_the_plain_loss_however_a_minibatch_is_split(
    codec: Codec, shape: str, tmp_path: Path
) -> None:
    model = tiny_model(codec, shape)
    examples = sft.encode(ROWS, codec, config_with())
    run = Run(tmp_path, config_with())
    width = max(len(example.ids) for example in examples)
    ids = torch.tensor([example.ids + [0] * (width - len(example.ids)) for example in examples])
    labels = torch.full_like(ids, IGNORED)
    for row, example in zip(labels, examples, strict=True):
        row[example.supervised_from : len(example.ids)] = torch.tensor(example.ids[example.supervised_from :])
    plain = torch.autograd.grad(
        sft_loss(model.causal(input_ids=ids).logits, labels), list(model.parameters())
    )
    for budget in (10_000, 40, 1):
        found = gradients(model, examples, run, config_with(microbatch_tokens=budget))
        for a, b in zip(plain, found, strict=True):
            assert torch.allclose(a, b, atol=1e-5)


def test_resumed_run_equals_a_straight_one_bit_for_bit(base_folder: Path, tmp_path: Path) -> None:
    straight = prepare_sft(tmp_path / "straight", base_folder)
    stopped = copy_run(straight, tmp_path / "stopped")
    given = {**settings(pretrain_fraction=0.2), "inputs": {"pretrain": "inputs/pretrain"}}
    given["report"] = {"checkpoint_every": 3, "log_every": 1}
    assert run_stage(straight, "sft", given) == 0
    (stopped / "cancel").touch()  # asked before it began: stops without a step
    assert run_stage(stopped, "sft", given) == 3
    assert run_stage(stopped, "sft", given) == 0
    assert same_weights(straight, stopped)
    again = copy_run(straight, tmp_path / "again")
    (again / "result.json").unlink()  # as if it had died while saving: goes on from the last checkpoint
    assert run_stage(again, "sft", given) == 0
    assert same_weights(straight, again)
    assert metrics(again, "loss/sft")[-1] == metrics(straight, "loss/sft")[-1]


def test_dropout_and_its_random_state_survive_a_resume(codec: Codec, tmp_path: Path) -> None:
    from training.rlhf.model import save_policy

    save_policy(tiny_model(codec, "gpt2"), codec, tmp_path / "gpt2", {"kind": "base"})
    straight = prepare_sft(tmp_path / "straight", tmp_path / "gpt2")
    given = {**settings(dropout=0.2), "report": {"checkpoint_every": 4}}
    assert run_stage(straight, "sft", given) == 0
    again = copy_run(straight, tmp_path / "again")
    (again / "result.json").unlink()
    assert run_stage(again, "sft", given) == 0
    assert same_weights(straight, again)


def test_dropout_is_refused_where_the_architecture_has_none(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    assert run_stage(folder, "sft", settings(dropout=0.2)) == 2
    assert "LlamaForCausalLM has no residual dropout" in result(folder)["reason"]


def test_an_empty_dataset_is_refused(base_folder: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "inputs/dataset", "sft", valid=demonstrations(3))
    link(tmp_path, policy=base_folder)
    assert run_stage(tmp_path, "sft", settings()) == 2
    assert "has no demonstrations in its train split" in result(tmp_path)["reason"]


def test_a_loss_that_is_no_number_fails_with_a_reason(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    given = settings(epochs=20)
    given["optim"] = {"learning_rate": 1e30, "clip_norm": 0.0}
    assert run_stage(folder, "sft", given) == 1
    assert "lower optim.learning_rate" in result(folder)["reason"]


def test_cut_responses_are_counted(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    given = settings()
    given["lengths"] = {"max_prompt_tokens": 16, "max_response_tokens": 2}
    assert run_stage(folder, "sft", given) == 0
    assert result(folder)["metrics"]["data/truncated"] > 0
    assert json.loads((folder / "progress.json").read_text())["phase"] == "saving"


@pytest.mark.parametrize(("room", "cut"), [(6, 0), (5, 1)])
def test_a_response_that_fits_exactly_is_not_called_cut(
    room: int, cut: int, base_folder: Path, tmp_path: Path
) -> None:
    [ids] = load_codec(str(base_folder), key="k").encode(["red green blue one two"])
    assert len(ids) == 5  # and its end token
    row = {"id": "d", "prompt": "say red", "completion": "red green blue one two"}
    write_dataset(tmp_path / "inputs/dataset", "sft", train=[row])
    link(tmp_path, policy=base_folder)
    given = settings(epochs=1) | {"lengths": {"max_prompt_tokens": 16, "max_response_tokens": room}}
    assert run_stage(tmp_path, "sft", given) == 0
    assert result(tmp_path)["metrics"]["data/truncated"] == cut


@pytest.mark.parametrize("fraction", [0.0, 0.5])
def test_pretraining_mix_is_reported(base_folder: Path, tmp_path: Path, fraction: float) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    given = {**settings(pretrain_fraction=fraction), "inputs": {"pretrain": "inputs/pretrain"}}
    assert run_stage(folder, "sft", given) == 0
    assert bool(metrics(folder, "loss/ptx")) == (fraction > 0)


def test_the_epoch_whose_responses_score_highest_is_kept(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    make_reward_model(tmp_path / "reward", base_folder)
    link(folder, reward=tmp_path / "reward")
    given = {**settings(epochs=4), "inputs": {"reward": "inputs/reward"}}
    given["report"] = {"checkpoint_every": 5}
    assert run_stage(folder, "sft", given) == 0
    scores = metrics(folder, "valid/score")
    assert len(scores) == 4 + 1  # of every epoch, and of the one that is kept
    best = scores.index(max(scores)) + 1
    assert result(folder)["metrics"]["valid/best_epoch"] == best
    # The kept weights are those of that epoch, also after a resume.
    again = copy_run(folder, tmp_path / "again")
    (again / "result.json").unlink()
    assert run_stage(again, "sft", given) == 0
    assert same_weights(folder, again)
    assert result(again)["metrics"]["valid/best_epoch"] == best


def test_what_is_reported_last_describes_the_epoch_that_is_kept(
    base_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare_sft(tmp_path / "run", base_folder)
    make_reward_model(tmp_path / "reward", base_folder)
    link(folder, reward=tmp_path / "reward")
    scores = iter([1.0, 3.0, 2.0, 0.5])
    monkeypatch.setattr(sft.Selector, "score", lambda *_: next(scores))
    given = {**settings(epochs=4), "inputs": {"reward": "inputs/reward"}}
    given["report"] = {"log_every": 1, "valid_every": 1}
    assert run_stage(folder, "sft", given) == 0
    losses = metrics(folder, "valid/loss")
    each = len(losses[:-1]) // 4
    found = result(folder)["metrics"]
    assert (found["valid/best_epoch"], found["valid/score"]) == (2, 3.0)
    assert found["valid/loss"] == losses[-1] == pytest.approx(losses[2 * each - 1], rel=1e-6)
    assert losses[-1] != pytest.approx(losses[-2], rel=1e-3)


def test_selection_without_valid_prompts_is_refused(base_folder: Path, tmp_path: Path) -> None:
    write_dataset(tmp_path / "inputs/dataset", "sft", train=demonstrations(8))
    make_reward_model(tmp_path / "reward", base_folder)
    link(tmp_path, policy=base_folder, reward=tmp_path / "reward")
    assert run_stage(tmp_path, "sft", {**settings(), "inputs": {"reward": "inputs/reward"}}) == 2
    assert "has no valid split; leave inputs.reward out" in result(tmp_path)["reason"]
