"""The reward model learns from rankings, leaves ties alone, and its scores have a zero."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.rlhf.conftest import comparisons, tiny_model, write_dataset
from tests.rlhf.stages import (
    LENGTHS,
    copy_run,
    link,
    metrics,
    prepare_reward,
    result,
    run_stage,
    same_weights,
)
from training.rlhf import reward
from training.rlhf.batching import right_pad
from training.rlhf.config import RewardConfig, parse_config
from training.rlhf.data import open_dataset
from training.rlhf.losses import ranking_loss
from training.rlhf.model import RewardModel, load_reward_model, new_reward_model
from training.rlhf.runtime import Run
from training.rlhf.tokenizer import Codec

WITH_DEMONSTRATIONS = {"inputs": {"demonstrations": "inputs/demonstrations"}}


def settings(**given: Any) -> dict[str, Any]:
    return {
        "lengths": LENGTHS,
        "optim": {"learning_rate": 2e-3},
        "reward": {"epochs": 3, "minibatch_size": 8, **given},
    }


def test_held_out_pairs_are_ordered_and_demonstrations_average_zero(
    base_folder: Path, tmp_path: Path
) -> None:
    folder = prepare_reward(tmp_path / "run", base_folder)
    assert run_stage(folder, "reward", {**settings(), **WITH_DEMONSTRATIONS}) == 0
    found = result(folder)["metrics"]
    assert found["valid/accuracy"] > 0.75
    assert found["valid/accuracy_low"] < found["valid/accuracy"] < found["valid/accuracy_high"]
    assert found["valid/pairs"] == found["valid/pairs.train"] + found["valid/pairs.held_out"]
    about = json.loads((folder / "model/instructloop.json").read_text())
    assert about["bias_from"] == "demonstrations"
    model, codec = load_reward_model(str(folder / "model"), key="k", device=torch.device("cpu"))
    rows = [
        json.loads(line) for line in (folder / "inputs/demonstrations/train.jsonl").read_text().splitlines()
    ]
    prompts = codec.encode_prompts([row["prompt"] for row in rows], 16)
    responses = codec.encode_responses([row["completion"] for row in rows], 8)
    scores = model.score_groups(prompts, [[r] for r in responses], share_prompt=False)
    assert abs(float(scores.detach().mean())) < 1e-4


def test_without_demonstrations_the_training_responses_average_zero(
    base_folder: Path, tmp_path: Path
) -> None:
    folder = prepare_reward(tmp_path / "run", base_folder)
    assert run_stage(folder, "reward", settings(epochs=1)) == 0
    about = json.loads((folder / "model/instructloop.json").read_text())
    assert about["bias_from"] == "training responses"


def test_loss_begins_near_ln_2(base_folder: Path, tmp_path: Path) -> None:
    folder = prepare_reward(tmp_path / "run", base_folder)
    assert run_stage(folder, "reward", settings(epochs=1)) == 0
    assert metrics(folder, "loss/reward")[0] == pytest.approx(0.693, abs=0.35)


def test_rankings_of_ties_only_are_dropped_and_counted(base_folder: Path, tmp_path: Path) -> None:
    rows = comparisons(10)
    for row in rows[:3]:
        row["outputs"] = [{**output, "rank": 1} for output in row["outputs"]]
    write_dataset(tmp_path / "inputs/dataset", "comparisons", train=rows)
    link(tmp_path, policy=base_folder)
    assert run_stage(tmp_path, "reward", settings()) == 0
    found = result(tmp_path)["metrics"]
    assert (found["data/examples"], found["data/dropped"]) == (7, 3)


def test_a_dataset_of_ties_only_is_refused(base_folder: Path, tmp_path: Path) -> None:
    rows = comparisons(4)
    for row in rows:
        row["outputs"] = [{**output, "rank": 2} for output in row["outputs"]]
    write_dataset(tmp_path / "inputs/dataset", "comparisons", train=rows)
    link(tmp_path, policy=base_folder)
    assert run_stage(tmp_path, "reward", settings()) == 2
    assert "all 4 rankings in the train split are ties only" in result(tmp_path)["reason"]


def test_gradient_depends_neither_on_microbatches_nor_on_sharing_the_prompt(
    base_folder: Path, tmp_path: Path
) -> None:
    found = []
    for share, budget in ((False, 10_000), (True, 10_000), (True, 30)):
        config = parse_config("reward", settings(share_prompt=share, microbatch_tokens=budget))
        assert isinstance(config, RewardConfig)
        run = Run(tmp_path, config)
        model, codec = new_reward_model(str(base_folder), key="k", device=run.device, seed=0)
        folder = tmp_path / "d"
        if not folder.exists():
            write_dataset(folder, "comparisons", train=comparisons(8))
        dataset = open_dataset(folder, ["comparisons"], key="k")
        examples = reward.encode(dataset.comparisons("train"), codec, config.lengths)
        reward.backward(model, examples, config, run)
        found.append([p.grad for p in model.parameters() if p.grad is not None])
    for plain, shared, small in zip(*found, strict=True):
        scale = max(1.0, float(plain.abs().max()))
        assert torch.allclose(plain, shared, atol=1e-5 * scale)
        assert torch.allclose(plain, small, atol=1e-5 * scale)


def test_resumed_run_equals_a_straight_one_bit_for_bit(base_folder: Path, tmp_path: Path) -> None:
    straight = prepare_reward(tmp_path / "straight", base_folder)
    given = {**settings(epochs=1), "report": {"checkpoint_every": 5}}
    assert run_stage(straight, "reward", given) == 0
    again = copy_run(straight, tmp_path / "again")
    (again / "result.json").unlink()
    assert run_stage(again, "reward", given) == 0
    assert same_weights(straight, again)
    assert result(again)["metrics"]["reward/bias"] == result(straight)["metrics"]["reward/bias"]


def test_a_ranking_teaches_what_all_its_pairs_read_apart_do(codec: Codec, shape: str) -> None:
    """The paper's element: one pass over P + K R tokens for K (K - 1) / 2 pairs of two whole rows each."""
    model = RewardModel(tiny_model(codec, shape).causal.base_model, seed=3).eval()
    prompts = [[5, 6, 7, 8], [9, 10]]
    groups = [[[20, 21, 2], [22, 2], [23, 24, 25, 26], [27, 28, 2]], [[30, 2], [31, 32, 2], [33], [34, 2]]]
    ranks = torch.tensor([[1, 2, 3, 4], [2, 1, 1, 3]])  # two tie
    scores = model.score_groups(prompts, groups, share_prompt=True).view(2, 4)
    loss = ranking_loss(scores, ranks, torch.ones_like(ranks, dtype=torch.bool))
    found = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)

    losses = []
    for prompt, group, order in zip(prompts, groups, ranks.tolist(), strict=True):
        pairs = [(i, j) for i in range(4) for j in range(4) if order[i] < order[j]]
        each = []
        for better, worse in pairs:
            pair = model.scores(*right_pad([prompt + group[better], prompt + group[worse]]))
            each.append(-torch.nn.functional.logsigmoid(pair[0] - pair[1]))
        losses.append(torch.stack(each).mean())
    plain = torch.stack(losses).mean()
    expected = torch.autograd.grad(plain, list(model.parameters()), allow_unused=True)
    assert float(loss) == pytest.approx(float(plain), rel=1e-5)
    largest = max(float(x.norm()) for x in expected if x is not None)
    for ours, theirs in zip(found, expected, strict=True):
        if theirs is not None and ours is not None:
            assert float((ours - theirs).norm()) <= 1e-5 * max(float(theirs.norm()), 1e-2 * largest)
