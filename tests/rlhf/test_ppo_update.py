"""The steps of PPO: gradients and metrics depend on real tokens only, however a minibatch is split."""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch

from tests.rlhf.stages import metrics, ppo_config, ppo_settings, prepare_ppo, ragged, run_stage
from training.rlhf import ppo, ppo_update
from training.rlhf.packing import PackedText, text_loss
from training.rlhf.ppo_update import Learner, Microbatch
from training.rlhf.rollout import Rollout
from training.rlhf.runtime import Run


@pytest.fixture
def prepared(tmp_path: Path, base_folder: Path) -> Path:
    return prepare_ppo(tmp_path / "prepared", base_folder)


def learner_and_parts(folder: Path, **settings: float) -> tuple[Learner, list[Microbatch], Run]:
    """A fresh learner, and a minibatch of responses of 1 to 8 tokens since which both models have moved."""
    config = ppo_config(**settings)
    run = Run(folder, config)
    models, codec = ppo.load_models(config, run)
    learner = ppo_update.make_learner(models, config)
    prompts = codec.encode_prompts([f"say {word}" for word in ("red", "blue two", "cat", "dog sun") * 2], 16)
    rollout = ragged(ppo.sample_rollout(models, codec, prompts, config, run, "train", 0))
    random = torch.Generator().manual_seed(0)
    advantages, returns, moved, gone = (torch.randn(rollout.tokens.shape, generator=random) for _ in range(4))
    real = rollout.response_mask
    rollout = rollout._replace(
        logprobs=rollout.logprobs + 0.2 * moved * real, values=rollout.values + 0.2 * gone * real
    )
    parts = []
    for some in torch.split(torch.arange(8), config.ppo.microbatch_size):
        part = rollout.select(some)
        width = part.tokens.shape[1]
        weight = int(part.response_mask.sum()) / int(real.sum())
        parts.append(Microbatch(part, advantages[some, :width], returns[some, :width], weight))
    return learner, parts, run


def without_stepping(step: Callable[[], dict[str, float]]) -> tuple[list[torch.Tensor], dict[str, float]]:
    """Gradients a step would use, taken off the parameters in place of stepping, and its metrics."""
    taken: list[torch.Tensor] = []

    def take(_: object, model: torch.nn.Module, *__: object) -> float:
        taken.extend(p.grad.clone() for p in model.parameters() if p.grad is not None)
        model.zero_grad()
        return 0.0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ppo_update, "take_step", take)
        stats = step()
    return taken, stats


def policy_gradients(
    learner: Learner, parts: list[Microbatch], run: Run, **settings: float
) -> tuple[list[torch.Tensor], dict[str, float]]:
    config = ppo_config(**settings)
    _, codec = ppo.load_models(config, run)
    pretraining = ppo.load_pretraining(config, run, codec, learner.policy)
    return without_stepping(lambda: ppo_update.policy_step(learner, parts, pretraining, config, run, 0))


def value_gradients(
    learner: Learner, parts: list[Microbatch], run: Run, **settings: float
) -> tuple[list[torch.Tensor], dict[str, float]]:
    config = ppo_config(**settings)
    return without_stepping(lambda: ppo_update.value_step(learner, parts, config, run, 0))


@pytest.mark.parametrize("gradients", [policy_gradients, value_gradients])
def test_neither_gradient_nor_metrics_depend_on_the_microbatch_size(
    prepared: Path, gradients: Callable[..., tuple[list[torch.Tensor], dict[str, float]]]
) -> None:
    """One row a microbatch has no padding; of eight rows of 1 to 8 tokens nearly half is padding."""
    found = []
    for size in (1, 4, 8):
        learner, parts, run = learner_and_parts(prepared, microbatch_size=size)
        found.append(gradients(learner, parts, run, microbatch_size=size))
    assert [int(n) for n in parts[0].rollout.response_mask.sum(dim=1)] == list(range(1, 9))
    (alone, plain), *others = found
    shares = [plain[name] for name in plain if name.endswith("clip_fraction")]
    assert shares
    assert all(0 < share < 1 for share in shares)
    for taken, stats in others:
        assert stats == pytest.approx(plain, rel=1e-4, abs=1e-6)
        for one, other in zip(alone, taken, strict=True):
            assert torch.allclose(one, other, rtol=1e-4, atol=1e-5)


def test_ptx_adds_its_coefficient_times_the_gradient_of_the_language_loss(prepared: Path) -> None:
    learner, parts, run = learner_and_parts(prepared)
    plain, _ = policy_gradients(learner, parts, run)
    mixed, _ = policy_gradients(learner, parts, run, ptx_coef=3.0)
    config = ppo_config(ptx_coef=3.0)
    _, codec = ppo.load_models(config, run)
    pretraining = ppo.load_pretraining(config, run, codec, learner.policy)
    assert pretraining is not None
    loss = text_loss(learner.policy, pretraining.draw(4, config.seed, "ptx", 0))
    expected = torch.autograd.grad(loss, list(learner.policy.parameters()))
    for a, b, c in zip(plain, mixed, expected, strict=True):
        assert torch.allclose(b - a, 3.0 * c, atol=1e-5)


def test_averaged_weights_follow_the_closed_form(prepared: Path) -> None:
    learner, _, _ = learner_and_parts(prepared, ema_decay=0.9)
    name, parameter = next(iter(learner.policy.named_parameters()))
    start = learner.average[name].clone()
    with torch.no_grad():
        parameter.fill_(1.0)
    for _ in range(5):
        ppo_update.update_average(learner, 0.9)
    assert torch.allclose(learner.average[name], 0.9**5 * start + (1 - 0.9**5), atol=1e-6)


def test_every_episode_is_trained_on_once_in_every_pass(prepared: Path) -> None:
    settings = ppo_settings(
        rollout_batch_size=15, minibatch_size=5, microbatch_size=5, iterations=2, inner_epochs=2
    )
    sampled: list[Counter[tuple[int, ...]]] = []
    trained: list[list[Counter[tuple[int, ...]]]] = []
    update, policy_step, value_step = ppo_update.update, ppo_update.policy_step, ppo_update.value_step

    def count(learner: Learner, rollout: Rollout, *given: object) -> dict[str, float]:
        sampled.append(episodes([rollout]))
        trained.append([])
        return update(learner, rollout, *given)  # type: ignore[arg-type]

    def step(
        learner: Learner, parts: Sequence[Microbatch], pretraining: PackedText | None, *given: object
    ) -> dict[str, float]:
        trained[-1].append(episodes([part.rollout for part in parts]))
        return policy_step(learner, parts, pretraining, *given)  # type: ignore[arg-type]

    def valued(learner: Learner, parts: Sequence[Microbatch], *given: object) -> dict[str, float]:
        trained[-1].append(episodes([part.rollout for part in parts]))
        return value_step(learner, parts, *given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ppo, "update", count)
        patch.setattr(ppo_update, "policy_step", step)
        patch.setattr(ppo_update, "value_step", valued)
        assert run_stage(prepared, "ppo", settings) == 0
    assert metrics(prepared, "ppo/episodes") == [15, 30]
    assert [sum(rows.values()) for rows in sampled] == [15, 15]
    for rows, steps in zip(sampled, trained, strict=True):
        assert [sum(each.values()) for each in steps] == [5] * 12  # of both models: 2 passes of 3 steps
        for model in (steps[::2], steps[1::2]):
            assert sum(model[:3], Counter()) == sum(model[3:], Counter()) == rows


def episodes(rollouts: Sequence[Rollout]) -> Counter[tuple[int, ...]]:
    """Count the rows of some rollouts by their tokens."""
    return Counter(
        tuple(ids[real].tolist())
        for rollout in rollouts
        for ids, real in zip(rollout.ids(), rollout.mask(), strict=True)
    )
