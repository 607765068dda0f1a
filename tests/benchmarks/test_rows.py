"""The rows of the training core: what a row asks of its arms, on a CPU and on a GPU."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pytest
import torch

from benchmarks import ppo_arms, rollout_arms, training_core


class AskedError(Exception):
    """What ends a recorded arm at its first request."""


class Recorder:
    """An arm that starts no process: it notes what it was made of."""

    made: list[Recorder]

    def __init__(self, factory: str, settings: dict[str, Any], opponent: str | None = None) -> None:
        self.factory, self.settings, self.opponent = factory, settings, opponent
        Recorder.made.append(self)

    def ask(self, do: str, **_given: Any) -> dict[str, Any]:
        raise AskedError(do)

    def close(self) -> None: ...


@pytest.mark.parametrize("name", training_core.ROWS)
def test_every_arm_of_a_row_is_put_on_the_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Recorder.made = []
    monkeypatch.setattr(training_core, "Arm", Recorder)
    with pytest.raises(AskedError):
        training_core.measure(name, repeats=3, shape="70m", architecture="llama", device="cuda")
    assert Recorder.made
    for arm in Recorder.made:
        assert arm.settings["device"] == "cuda"
        module, _, kind = arm.factory.partition(":")
        taken: set[str] = set()
        for each in getattr(importlib.import_module(module), kind).__mro__[:-1]:
            taken |= set(inspect.signature(each.__init__).parameters)
        assert arm.settings.keys() <= taken


def test_bfloat16_is_left_out_where_it_is_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_core, "Arm", Recorder)
    for slowdown, precisions in ((60.0, {False}), (0.5, {False, True})):
        monkeypatch.setattr(training_core, "bfloat16_slowdown", lambda slowdown=slowdown: slowdown)
        Recorder.made = []
        with pytest.raises(AskedError):
            training_core.measure("rollouts_n1", repeats=1, device="cpu")
        assert {arm.settings["bf16"] for arm in Recorder.made} == precisions


@pytest.mark.parametrize("bf16", [False, True])
def test_models_and_batches_of_our_arms_stand_on_their_device(bf16: bool) -> None:
    """On the one device there is, so that a name such as cuda:1 has a way to every tensor."""
    rollouts = rollout_arms.Ours(n=1, bf16=bf16, shape="tiny", device="cpu")
    ppo = ppo_arms.Ours(early=True, bf16=bf16, shape="tiny", device="cpu")
    assert rollouts.device == ppo.device == ppo.run.device == torch.device("cpu")
    assert {x.device for x in rollouts.causal.parameters()} == {rollouts.device}
    for model in ppo.models:
        assert model is not None
        assert {x.device for x in model.parameters()} == {ppo.device}
    with ppo.autocast():
        assert torch.is_autocast_enabled("cpu") is bf16


def test_responses_of_the_early_row_end_where_the_script_says() -> None:
    arm = ppo_arms.Ours(early=True, shape="tiny")
    heard: list[str] = []
    with ppo_arms.scripted_ends():
        written = arm.update(1, heard.append)
    assert written == sum(ppo_arms.ends(1, early=True)) < ppo_arms.EPISODES * ppo_arms.RESPONSE
    assert heard == ["sampling", "scoring", "updates"]
