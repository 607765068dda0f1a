"""The split of a step: every part has its share."""

from __future__ import annotations

import pytest
import torch

from benchmarks import reward_quality, step_split


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
    assert list(found["steps"]["ppo"]["share"]) == ["sampling", "scoring", "updates"]
    assert list(found["steps"]["sampling"]["share"]) == ["prompts", "one token after the other"]
    for step in found["steps"].values():
        assert sum(step["share"].values()) == pytest.approx(1, abs=0.01)
        assert 0 < step["mfu"] < 1.5


def test_noisy_labelers_mostly_agree_with_gold() -> None:
    made = reward_quality.made(64, 1, "valid")
    assert 0.65 < reward_quality.agreement(made) < 0.85
    assert torch.equal(made.ranks.sort(dim=1).values[0], torch.arange(1, reward_quality.K + 1))
    assert not torch.equal(made.gold, reward_quality.made(64, 1, "test").gold)
