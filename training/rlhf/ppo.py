"""PPO and PPO-ptx: optimise a policy against a reward model without leaving the reference behind.

Ouyang et al. 2022 (arXiv 2203.02155), sec. 3.5, eq. 2 and app. C.4. Every episode is one prompt and one
response; its tokens are the time steps. Value model: separate weights that start as the reward model. KL:
charged per token inside the reward with a fixed coefficient. ptx: for every minibatch the gradient of the
pretraining loss times `ptx_coef` is added to the PPO gradient before the one optimizer step. Where the paper
is silent: the ptx loss is the mean over tokens, in nats (27.8 belongs to an unprinted normalisation, so tune
it); advantages are whitened over a rollout; a response without its end token scores at most
`missing_eos_score` if that is set; averaged weights (EMA) are updated at every optimizer step.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from training.rlhf.advantages import gae, penalized_rewards
from training.rlhf.batching import permutation
from training.rlhf.checkpoint import Stateful
from training.rlhf.config import PpoConfig
from training.rlhf.data import open_dataset, require_rows
from training.rlhf.errors import RunRefusedError
from training.rlhf.generation import row_uniforms
from training.rlhf.logprobs import kl_k3
from training.rlhf.losses import ppo_policy_loss, value_loss
from training.rlhf.masking import explained_variance, masked_mean, masked_whiten
from training.rlhf.model import LanguageModel, RewardModel, load_policy, load_reward_model, save_policy
from training.rlhf.optim import learning_rate, make_optimizer, take_step
from training.rlhf.packing import PackedText, text_loss
from training.rlhf.parallel import gathered, largest, shard, share, size, summed, whole
from training.rlhf.rollout import Models, Rollout, collect_rollout, token_logprobs, token_values
from training.rlhf.runtime import Run, due, log, require_finite
from training.rlhf.sections import Optim
from training.rlhf.sft import check_context
from training.rlhf.tokenizer import Codec

VALID_PROMPTS = 256


class Learner(NamedTuple):
    """What an update changes: policy, value model, their optimizers, and the averaged weights."""

    policy: LanguageModel
    value: RewardModel
    policy_optimizer: torch.optim.Optimizer
    value_optimizer: torch.optim.Optimizer
    average: dict[str, Tensor]

    def parts(self) -> dict[str, Stateful]:
        """Everything a checkpoint needs."""
        return {**self._asdict()}


def run(config: PpoConfig, run: Run) -> dict[str, float]:
    """Optimise the policy on the train prompts, save the last or the averaged weights."""
    # 0. Models, prompts, pretraining text.
    settings = config.ppo
    models, codec = load_models(config, run)
    dataset = open_dataset(
        run.folder / config.inputs.prompts, ["ppo_prompts", "sft", "comparisons"], key="inputs.prompts"
    )
    train = require_rows(dataset.prompts("train"), "prompts", dataset, "train")
    texts = [prompt.prompt for prompt in train]
    prompts = codec.encode_prompts(texts, config.lengths.max_prompt_tokens)
    valid_texts = [prompt.prompt for prompt in dataset.prompts("valid")[:VALID_PROMPTS]]
    valid = codec.encode_prompts(valid_texts, config.lengths.max_prompt_tokens)
    pretraining = load_pretraining(config, run, codec, models.policy)
    learner = make_learner(models, config)
    first, _ = run.resume(learner.parts())
    log.info(
        "%d prompts, %d iterations of %d", len(prompts), settings.iterations, settings.rollout_batch_size
    )
    for iteration in range(first, settings.iterations):
        began = time.monotonic()
        chosen = prompt_order(len(prompts), config, iteration)
        # 1. Rollout: sample responses, then score the same tokens under every model.
        rollout = sample_rollout(models, codec, [prompts[i] for i in chosen], config, run, "train", iteration)
        # 2. Reward: the score on the last real token, the KL penalty on every token.
        rewards = penalized_rewards(
            rollout.scores, rollout.logprobs, rollout.ref_logprobs, rollout.response_mask, settings.kl_coef
        )  # (B, R)
        # 3. Advantage: GAE, then whitening over real tokens only.
        raw, returns = gae(rewards, rollout.values, rollout.response_mask, settings.gamma, settings.lam)
        advantages = masked_whiten(raw, rollout.response_mask) if settings.whiten_advantages else raw
        # 4. Update: shuffled minibatches, plus the pretraining term (ptx).
        stats = update(learner, rollout, advantages, returns, pretraining, config, run, iteration)
        # 5. Report and save.
        done = iteration + 1
        for name, value in stats.items():
            require_finite(value, name, done)
        if due(done, config.report.log_every, settings.iterations):
            stats |= rollout_metrics(rollout, settings.kl_coef)
            stats["ppo/advantage_std"] = float(raw[rollout.response_mask].std(correction=0))
            stats["ppo/explained_variance"] = float(
                explained_variance(rollout.values, returns, rollout.response_mask)
            )
            stats["ppo/episodes"] = done * settings.rollout_batch_size
            stats["speed/episodes_per_second"] = len(rollout.tokens) / (time.monotonic() - began)
            if valid and due(done, config.report.valid_every, settings.iterations):
                held_out = sample_rollout(models, codec, valid, config, run, "valid", 0)
                stats["valid/score"] = float(held_out.scores.mean())
                stats["valid/kl"] = float(held_out.kl().mean())
            run.metrics.write(done, stats)
        if due(done, config.report.sample_every, settings.iterations):
            add_samples(run, codec, rollout, [texts[i] for i in chosen], config, done)
        run.progress("training", done, settings.iterations, "iterations")
        run.save_if_due(done, learner.parts(), last=done == settings.iterations)
    # 6. The final model.
    if settings.ema_decay > 0:
        models.policy.load_state_dict(learner.average)
    about = {"kind": "ppo", "dataset_hash": dataset.hash, "seed": config.seed, "ptx_coef": settings.ptx_coef}
    run.publish_model(lambda folder: save_policy(models.policy, codec, folder, about))
    return run.metrics.latest


def load_models(config: PpoConfig, run: Run) -> tuple[Models, Codec]:
    """Load policy, frozen reference, frozen reward model, and a value model that starts as the last."""
    inputs = config.inputs
    policy, codec = load_policy(run.path(inputs.policy), key="inputs.policy", device=run.device)
    check_context(policy.context, config.lengths)
    name = "inputs.policy" if inputs.reference is None else "inputs.reference"
    reference, ref_codec = load_policy(
        run.path(inputs.reference or inputs.policy), key=name, device=run.device
    )
    reward, reward_codec = load_reward_model(run.path(inputs.reward), key="inputs.reward", device=run.device)
    value, _ = load_reward_model(run.path(inputs.reward), key="inputs.reward", device=run.device)
    require_same_tokens(codec, ref_codec, name)
    require_same_tokens(codec, reward_codec, "inputs.reward")
    reference.requires_grad_(False)
    reward.requires_grad_(False)
    for model in (policy, reference, reward, value):
        shard(model, config.parallel)
    return Models(policy, reference, reward, value), codec


def require_same_tokens(codec: Codec, other: Codec, key: str) -> None:
    """Refuse a model that does not read the policy's token ids."""
    if codec.tokenizer.get_vocab() != other.tokenizer.get_vocab() or codec.separator != other.separator:
        raise RunRefusedError(f"{key} has another tokenizer or separator than inputs.policy; use one base.")


def make_learner(models: Models, config: PpoConfig) -> Learner:
    """Build the optimizers and start the averaged weights at the policy's."""
    if models.value is None:
        raise RunRefusedError("PPO needs a value model.")
    average: dict[str, Tensor] = {}
    if config.ppo.ema_decay > 0:
        average = {name: x.detach().clone() for name, x in models.policy.state_dict().items()}
    return Learner(
        models.policy,
        models.value,
        make_optimizer(models.policy, config.optim),
        make_optimizer(models.value, value_optim(config)),
        average,
    )


def load_pretraining(config: PpoConfig, run: Run, codec: Codec, policy: LanguageModel) -> PackedText | None:
    """Open the text of the pretraining term, if its coefficient is above 0."""
    if config.ppo.ptx_coef == 0 or config.inputs.pretrain is None:
        return None
    dataset = open_dataset(run.folder / config.inputs.pretrain, ["pretrain"], key="inputs.pretrain")
    texts = require_rows(dataset.texts("train"), "texts", dataset, "train")
    length = config.ppo.ptx_sequence_tokens or policy.context
    return PackedText(texts, codec, sequence_tokens=min(length, policy.context), what=str(dataset.folder))


def prompt_order(n: int, config: PpoConfig, iteration: int) -> list[int]:
    """Choose the prompts of an iteration: pass after pass over a fresh shuffle, none left out."""
    size = config.ppo.rollout_batch_size
    shuffled: dict[int, list[int]] = {}
    chosen = []
    for at in range(iteration * size, (iteration + 1) * size):
        epoch, place = divmod(at, n)
        if epoch not in shuffled:
            shuffled[epoch] = permutation(n, config.seed, "prompts", epoch)
        chosen.append(shuffled[epoch][place])
    return chosen


def sample_rollout(
    models: Models,
    codec: Codec,
    prompts: Sequence[Sequence[int]],
    config: PpoConfig,
    run: Run,
    split: str,
    iteration: int,
) -> Rollout:
    """Collect a rollout whose randomness is a pure function of seed, split and iteration.

    With several processes each answers its microbatches of the prompts, and all get the whole rollout.
    """
    width = config.lengths.max_response_tokens
    uniforms = row_uniforms(len(prompts), width, config.seed, "rollout", split, iteration)
    dealt = share(torch.split(torch.arange(len(prompts)), config.ppo.microbatch_size))
    mine = [row for rows, _ in dealt for row in rows.tolist()]
    with run.autocast(), whole(models.policy):
        rollout = collect_rollout(
            models,
            codec,
            [prompts[row] for row in mine],
            max_tokens=width,
            temperature=config.ppo.temperature,
            microbatch_size=config.ppo.microbatch_size,
            uniforms=uniforms[mine],
            missing_eos_score=config.ppo.missing_eos_score,
        )
    if size() == 1:
        return rollout
    real = sum(len(rows) for rows, weight in dealt if weight)
    part = Rollout(*(x[:real].cpu() for x in rollout))
    joined = Rollout.joined(gathered((mine[:real], part)))
    return Rollout(*(x.to(run.device) for x in joined))


class Microbatch(NamedTuple):
    """Some rows of a minibatch. weight is their share of its real tokens: weighted sums are its means."""

    rollout: Rollout
    advantages: Tensor
    returns: Tensor
    weight: float


def update(
    learner: Learner,
    rollout: Rollout,
    advantages: Tensor,
    returns: Tensor,
    pretraining: PackedText | None,
    config: PpoConfig,
    run: Run,
    iteration: int,
) -> dict[str, float]:
    """Take the optimizer steps of one iteration; returns its metrics, averaged over minibatches.

    The first pass takes the rows in order: prompts are already drawn at random, and the microbatches are then
    those whose log-probabilities were stored, so the first ratio is exactly 1.
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
        for some in torch.split(chosen, settings.microbatch_size):
            part = rollout.select(some)
            width = part.tokens.shape[1]
            weight = int(part.response_mask.sum()) / tokens
            parts.append(Microbatch(part, advantages[some, :width], returns[some, :width], weight))
        step = iteration * steps_per_iteration(config) + number
        stats = value_step(learner, parts, config, run, step)
        if iteration >= settings.value_warmup_iterations:
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
    for (rollout, advantages, _, tokens), counts in share(parts):
        mask, weight = rollout.response_mask, tokens * counts
        with run.autocast():
            logprobs, _ = token_logprobs(learner.policy, rollout, settings.temperature)
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
    rate = learning_rate(config.optim, step, total_steps(config))
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
    mean = 0.0
    for ids, weight in share(torch.split(sequences, settings.microbatch_size)):
        with run.autocast():
            loss = text_loss(policy, ids.to(run.device))
        own = weight * len(ids) / n
        torch.autograd.backward(loss * (settings.ptx_coef * own))
        mean += float(loss.detach()) * own
    return summed({"loss": mean})["loss"]


def value_step(
    learner: Learner, parts: Sequence[Microbatch], config: PpoConfig, run: Run, step: int
) -> dict[str, float]:
    """Take one step of the value model on a minibatch."""
    clip = config.ppo.value_clip or math.inf
    stats: dict[str, float] = defaultdict(float)
    for (rollout, _, returns, tokens), counts in share(parts):
        mask, weight = rollout.response_mask, tokens * counts
        with run.autocast():
            values = token_values(learner.value, rollout)
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


def rollout_metrics(rollout: Rollout, kl_coef: float) -> dict[str, float]:
    """Describe what a policy wrote: scores, KL, entropy, length, ends."""
    mask, kl = rollout.response_mask, rollout.kl()
    k3 = kl_k3(rollout.logprobs, rollout.ref_logprobs).sum(dim=1)  # 0 on padding
    return {
        "objective/score": float(rollout.scores.mean()),
        "objective/score_std": float(rollout.scores.std(correction=0)),
        "objective/reward": float((rollout.scores - kl_coef * kl).mean()),
        "objective/kl": float(kl.mean()),
        "objective/kl_k3": float(k3.mean()),
        "objective/entropy": float(masked_mean(rollout.entropy, mask)),
        "objective/response_tokens": float(mask.sum(dim=1).float().mean()),
        "objective/eos_fraction": float(rollout.ended.float().mean()),
    }


def add_samples(
    run: Run, codec: Codec, rollout: Rollout, texts: Sequence[str], config: PpoConfig, step: int
) -> None:
    """Write a few responses of this iteration, with their scores, to samples.jsonl."""
    for row in range(min(config.report.sample_count, len(texts))):
        ids = rollout.tokens[row][rollout.response_mask[row]].tolist()
        score = round(float(rollout.scores[row]), 4)
        run.add_sample(step, {"prompt": texts[row], "response": codec.decode(ids), "score": score})
