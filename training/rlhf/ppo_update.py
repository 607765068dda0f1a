"""The updates of PPO: minibatches, clipped policy loss, value loss, pretraining term, averaged weights."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import zip_longest
from typing import NamedTuple

import torch
from torch import Tensor

from training.rlhf.batching import permutation
from training.rlhf.checkpoint import Stateful, trained_state
from training.rlhf.config import PpoConfig
from training.rlhf.losses import ppo_policy_loss, value_loss
from training.rlhf.masking import masked_mean
from training.rlhf.model import LanguageModel, RewardModel
from training.rlhf.optim import learning_rate, make_optimizer, take_step
from training.rlhf.packing import PackedText, text_loss
from training.rlhf.parallel import largest, share, summed
from training.rlhf.rollout import Kept, Models, Rollout, token_logprobs, token_values
from training.rlhf.runtime import Run
from training.rlhf.sections import Optim


class Learner(NamedTuple):
    """What an update changes: policy, value model, their optimizers, and the averaged weights."""

    policy: LanguageModel
    value: RewardModel | None
    policy_optimizer: torch.optim.Optimizer
    value_optimizer: torch.optim.Optimizer | None
    average: dict[str, Tensor]

    def parts(self) -> dict[str, Stateful]:
        """Everything a checkpoint needs."""
        return {name: part for name, part in self._asdict().items() if part is not None}


def make_learner(models: Models, config: PpoConfig) -> Learner:
    """Build the optimizers and start the averaged weights at the policy's."""
    average: dict[str, Tensor] = {}
    if config.ppo.ema_decay > 0:
        average = {name: x.clone() for name, x in trained_state(models.policy).items()}
    return Learner(
        models.policy,
        models.value,
        make_optimizer(models.policy, config.optim),
        None if models.value is None else make_optimizer(models.value, value_optim(config)),
        average,
    )


class Microbatch(NamedTuple):
    """Some rows of a minibatch. weight is their share of its real tokens: weighted sums are its means.

    kept holds the forward pass that scored these rows, if no step has been taken since.
    """

    rollout: Rollout
    advantages: Tensor
    returns: Tensor
    weight: float
    kept: Kept | None = None


def update(
    learner: Learner,
    rollout: Rollout,
    advantages: Tensor,
    returns: Tensor,
    pretraining: PackedText | None,
    config: PpoConfig,
    run: Run,
    iteration: int,
    kept: Sequence[Kept] = (),
) -> dict[str, float]:
    """Take the optimizer steps of one iteration; returns its metrics, averaged over minibatches.

    The first pass takes the rows in order: prompts are already drawn at random, and the microbatches are then
    those whose log-probabilities were stored, so the first ratio is exactly 1. Where the forward pass that
    stored them was kept, the first step goes on from it.
    """
    settings = config.ppo
    rows, each = len(rollout.tokens), settings.minibatch_size
    seen: dict[str, list[float]] = defaultdict(list)
    for number in range(steps_per_iteration(config)):
        epoch, place = divmod(number, rows // each)
        order = permutation(rows, config.seed, "inner", iteration, epoch) if epoch else range(rows)
        chosen = torch.tensor(order[place * each : (place + 1) * each], device=run.device)
        tokens = int(rollout.response_mask[chosen].sum())
        parts = []
        minibatch = rollout.select(chosen)
        cuts = minibatch.cuts(settings.microbatch_size, settings.microbatch_tokens)
        passes = list(kept)[: 0 if number else len(cuts)]
        for (start, end), graph in zip_longest(cuts, passes):
            some = chosen[start:end]
            part = rollout.select(some)
            width = part.tokens.shape[1]
            weight = int(part.response_mask.sum()) / tokens
            parts.append(Microbatch(part, advantages[some, :width], returns[some, :width], weight, graph))
        step = iteration * steps_per_iteration(config) + number
        stats = value_step(learner, parts, config, run, step)
        if learner.value is None or iteration >= settings.value_warmup_iterations:
            stats |= policy_step(learner, parts, pretraining, config, run, step)
        for name, value in stats.items():
            seen[name].append(value)
    averaged = {name: sum(values) / len(values) for name, values in seen.items()}
    if ratios := seen.get("ppo/ratio_max"):
        averaged |= {"ppo/ratio_first": ratios[0], "ppo/ratio_max": max(ratios)}
    return averaged


def policy_step(
    learner: Learner,
    parts: Sequence[Microbatch],
    pretraining: PackedText | None,
    config: PpoConfig,
    run: Run,
    step: int,
) -> dict[str, float]:
    """Take one step of the policy on a minibatch: PPO gradient, plus pretraining gradient if there is one."""
    settings = config.ppo
    stats: dict[str, float] = defaultdict(float)
    furthest = 0.0
    for (rollout, advantages, _, tokens, kept), counts in share(parts):
        mask, weight = rollout.response_mask, tokens * counts
        with run.autocast():
            logprobs = (
                kept.logprobs if kept else token_logprobs(learner.policy, rollout, settings.temperature)
            )
        loss = ppo_policy_loss(logprobs, rollout.logprobs, advantages, mask, settings.clip)
        torch.autograd.backward(loss * weight)
        log_ratio = logprobs.detach() - rollout.logprobs  # 0 on padding
        distance = (log_ratio.exp() - 1).abs()
        furthest = max(furthest, float(distance.max()))
        stats["loss/policy"] += float(loss.detach()) * weight
        stats["ppo/approx_kl"] += 0.5 * float(masked_mean(log_ratio**2, mask)) * weight
        stats["ppo/clip_fraction"] += float(masked_mean((distance > settings.clip).float(), mask)) * weight
    stats = summed(stats)
    if pretraining is not None:
        stats["loss/ptx"] = backward_ptx(learner.policy, pretraining, config, run, step)
    passed = 0 if learner.value is None else settings.value_warmup_iterations * steps_per_iteration(config)
    rate = learning_rate(config.optim, step - passed, total_steps(config) - passed)  # from its first step on
    norm = take_step(learner.policy_optimizer, learner.policy, rate, config.optim.clip_norm)
    update_average(learner, settings.ema_decay)
    return {
        **stats,
        "ppo/ratio_max": largest(furthest),
        "ppo/policy_grad_norm": norm,
        "optim/learning_rate": rate,
    }


def backward_ptx(
    policy: LanguageModel, pretraining: PackedText, config: PpoConfig, run: Run, step: int
) -> float:
    """Add ptx_coef times the gradient of the mean pretraining loss on fresh sequences; returns that loss."""
    settings = config.ppo
    n = max(1, round(settings.minibatch_size * settings.ptx_examples_per_episode))
    sequences = pretraining.draw(n, config.seed, "ptx", step)
    most = min(settings.microbatch_size, max(1, settings.microbatch_tokens // sequences.shape[1]))
    mean = 0.0
    for ids, weight in share(torch.split(sequences, most)):
        with run.autocast():
            loss = text_loss(policy, ids.to(run.device))
        own = weight * len(ids) / n
        torch.autograd.backward(loss * (settings.ptx_coef * own))
        mean += float(loss.detach()) * own
    return summed({"loss": mean})["loss"]


def value_step(
    learner: Learner, parts: Sequence[Microbatch], config: PpoConfig, run: Run, step: int
) -> dict[str, float]:
    """Take one step of the value model on a minibatch; without one there is nothing to do."""
    if learner.value is None or learner.value_optimizer is None:
        return {}
    clip = config.ppo.value_clip or math.inf
    stats: dict[str, float] = defaultdict(float)
    for (rollout, _, returns, tokens, kept), counts in share(parts):
        mask, weight = rollout.response_mask, tokens * counts
        with run.autocast():
            values = token_values(learner.value, rollout) if kept is None else kept.values
        loss = value_loss(values, rollout.values, returns, mask, clip)
        torch.autograd.backward(loss * weight)
        moved = (values.detach() - rollout.values).abs() > clip
        stats["loss/value"] += float(loss.detach()) * weight
        stats["ppo/value_clip_fraction"] += float(masked_mean(moved.float(), mask)) * weight
    stats = summed(stats)
    rate = learning_rate(value_optim(config), step, total_steps(config))
    norm = take_step(learner.value_optimizer, learner.value, rate, config.optim.clip_norm)
    return {**stats, "ppo/value_grad_norm": norm, "optim/value_learning_rate": rate}


@torch.no_grad()
def update_average(learner: Learner, decay: float) -> None:
    """Move the averaged weights towards the policy's: average = decay * average + (1 - decay) * policy."""
    if decay == 0:
        return
    weights = learner.policy.state_dict()
    for name, average in learner.average.items():
        average.lerp_(weights[name].to(average.dtype), 1 - decay)


def value_optim(config: PpoConfig) -> Optim:
    """Settings of the value model's optimizer: its own rate, constant after the same warm-up."""
    return dataclasses.replace(
        config.optim, learning_rate=config.ppo.value_learning_rate, schedule="constant"
    )


def steps_per_iteration(config: PpoConfig) -> int:
    """Optimizer steps of an iteration."""
    return config.ppo.inner_epochs * (config.ppo.rollout_batch_size // config.ppo.minibatch_size)


def total_steps(config: PpoConfig) -> int:
    """Optimizer steps of the run."""
    return config.ppo.iterations * steps_per_iteration(config)
