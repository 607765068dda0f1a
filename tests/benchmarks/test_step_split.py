"""The split of a step: what is counted is what a hand counts, and every part has its share."""

from __future__ import annotations

import pytest
import torch

from benchmarks import reward_quality, shapes, step_split, training_core


def test_operations_are_counted_as_by_hand() -> None:
    trunk = shapes.causal("tiny", "gpt2").base_model
    layers, width = 2, 128
    weights = layers * (12 * width * width + 13 * width) + 2 * width  # biases and norms count as weights
    assert shapes.parameters(trunk) == weights
    found = step_split.pass_operations(trunk, [3, 1], outputs=2, vocabulary=10)
    assert found == 2 * weights * 4 + 4 * layers * width * (6 + 1) + 2 * 2 * 10 * width


def test_every_part_of_a_step_has_its_share() -> None:
    threads = torch.get_num_threads()
    try:
        found = step_split.measure(
            repeats=1, shape="tiny", architecture="llama", device="cpu", dtype="float32"
        )
    finally:
        torch.set_num_threads(threads)
    assert found["device"] == "cpu"
    assert list(found["steps"]["sft"]["share"]) == ["forward", "backward", "optimizer"]
    assert list(found["steps"]["sampling"]["share"]) == ["prompts", "one token after the other"]
    for step in found["steps"].values():
        assert sum(step["share"].values()) == pytest.approx(1, abs=0.01)
        assert 0 < step["mfu"] < 1.5


def test_rows_that_know_no_gpu_say_so() -> None:
    with pytest.raises(SystemExit, match="runs on the CPU only"):
        training_core.measure("ppo_fixed", repeats=1, device="cuda")


def test_noisy_labelers_mostly_agree_with_gold() -> None:
    made = reward_quality.made(64, 1, "valid")
    assert 0.65 < reward_quality.agreement(made) < 0.85
    assert torch.equal(made.ranks.sort(dim=1).values[0], torch.arange(1, reward_quality.K + 1))
    assert not torch.equal(made.gold, reward_quality.made(64, 1, "test").gold)
