"""PPO and PPO-ptx: optimise a policy against a reward model without leaving the reference behind.

Ouyang et al. 2022 (arXiv 2203.02155), sec. 3.5, eq. 2 and app. C.4. Every episode is one prompt and one
response; its tokens are the time steps. Value model: separate weights that start as the reward model. KL:
charged per token inside the reward with a fixed coefficient. ptx: for every minibatch the gradient of the
pretraining loss times `ptx_coef` is added to the PPO gradient before the one optimizer step. Where the paper
is silent: the ptx loss is the mean over tokens, in nats (27.8 belongs to an unprinted normalisation, so tune
it); advantages are whitened over a rollout; a response without its end token scores at most
`missing_eos_score` if that is set; averaged weights (EMA) are updated at every optimizer step.

Beside the paper: `kl_target` steers the coefficient (Ziegler et al. 2019), and `estimator = "rloo"` takes the
mean of a prompt's other responses as baseline in place of a value model (Ahmadian et al. 2024, 2402.14740).
The steps themselves are in `ppo_update.py`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from training.rlhf.advantages import gae, next_kl_coef, penalized_rewards, rloo
from training.rlhf.batching import permutation
from training.rlhf.checkpoint import load_trained
from training.rlhf.config import PpoConfig
from training.rlhf.data import open_dataset, require_rows
from training.rlhf.generation import generate, row_uniforms
from training.rlhf.logprobs import kl_k3
from training.rlhf.masking import explained_variance, masked_whiten
from training.rlhf.model import LanguageModel, RewardModel, load_policy, load_reward_model, save_policy
from training.rlhf.one_trunk import models_on_one_trunk
from training.rlhf.packing import PackedText, sequence_length
from training.rlhf.parallel import gathered, shard, share, size, whole
from training.rlhf.plots import over_optimisation_plot, scores_over_kl
from training.rlhf.ppo_update import make_learner, update
from training.rlhf.rollout import Kept, Models, Rollout, collect_rollout
from training.rlhf.runtime import Run, due, log, require_finite
from training.rlhf.samplers import Sampler, make_sampler, mismatch_metrics, needs_weights, token_weights
from training.rlhf.sft import check_context
from training.rlhf.tokenizer import Codec, require_same_tokens

VALID_PROMPTS = 256


def run(config: PpoConfig, run: Run) -> dict[str, float]:
    """Optimise the policy on the train prompts, save the last or the averaged weights."""
    # 0. Models, prompts, pretraining text.
    settings = config.ppo
    models, codec = load_models(config, run)
    texts = load_texts(config, run, codec)
    sampler = make_sampler(config, run.path(config.inputs.policy))
    pretraining = load_pretraining(config, run, codec, models.policy)
    gold = load_gold(config, run, codec)
    learner = make_learner(models, config)
    first, state = run.resume(learner.parts())
    kl_coef = float(state.get("kl_coef", settings.kl_coef))
    many = len(texts.train)
    log.info("%d prompts, %d iterations of %d", many, settings.iterations, settings.rollout_batch_size)
    watched = texts.watched[: config.report.sample_count]
    if first == 0 and config.report.sample_every:
        add_samples(models, codec, watched, config, run, 0)
    for iteration in range(first, settings.iterations):
        began = time.monotonic()
        # 1. Rollout: sample responses, then score the same tokens under every model.
        chosen = [texts.train[i] for i in prompt_order(many, config, iteration)]
        kept: list[Kept] = []
        rollout = sample_rollout(models, codec, chosen, config, run, "train", iteration, sampler, kept)
        # 2. Reward and advantage: KL penalty on every token, score on the last; then whitening.
        raw, returns = estimate_advantages(rollout, kl_coef, config)
        advantages = weighed_advantages(raw, rollout, config)
        # 3. Update: shuffled minibatches, plus the pretraining term (ptx).
        stats = update(learner, rollout, advantages, returns, pretraining, config, run, iteration, kept)
        # 4. Report and save.
        done = iteration + 1
        for name, value in stats.items():
            require_finite(value, name, done)
        if due(done, config.report.log_every, settings.iterations):
            stats |= iteration_metrics(rollout, raw, returns, kl_coef, config)
            stats["ppo/episodes"] = done * settings.rollout_batch_size
            stats["speed/episodes_per_second"] = len(rollout.tokens) / (time.monotonic() - began)
            measured = due(done, config.report.valid_every, settings.iterations)
            if texts.valid and measured and not averaged(done, config):
                held_out = sample_rollout(models, codec, texts.valid, config, run, "valid", 0, sampler)
                stats |= valid_metrics(held_out, gold, config, run)
            run.metrics.write(done, stats)
        if not averaged(done, config) and due(done, config.report.sample_every, settings.iterations):
            add_samples(models, codec, watched, config, run, done)
        run.progress("training", done, settings.iterations, "iterations")
        if settings.kl_target is not None:
            kl, episodes = float(rollout.kl().mean()), len(rollout.tokens)
            kl_coef = next_kl_coef(kl_coef, kl, settings.kl_target, episodes, settings.kl_horizon)
        run.save_if_due(done, learner.parts(), {"kl_coef": kl_coef}, last=done == settings.iterations)
    # 5. The final model: the averaged weights, if there are some, are measured as what is published.
    run.metrics.write(settings.iterations, {"data/examples": many, "data/prompts_cut": texts.cut})
    if averaged(settings.iterations, config):
        load_trained(models.policy, learner.average)
        if texts.valid:
            held_out = sample_rollout(models, codec, texts.valid, config, run, "valid", 0, sampler)
            run.metrics.write(settings.iterations, valid_metrics(held_out, gold, config, run))
        add_samples(models, codec, watched, config, run, settings.iterations)
    publish(models.policy, codec, texts.dataset_hash, config, run)
    return run.metrics.latest


class Texts(NamedTuple):
    """The prompts of a run as ids, how many were cut, those whose answers are shown, the dataset's hash."""

    train: list[list[int]]
    valid: list[list[int]]
    cut: int
    watched: list[tuple[str, list[int]]]
    dataset_hash: str


def load_texts(config: PpoConfig, run: Run, codec: Codec) -> Texts:
    """Read the train prompts, and held-out ones if there are any."""
    kinds = ["ppo_prompts", "sft", "comparisons"]
    dataset = open_dataset(run.folder / config.inputs.prompts, kinds, key="inputs.prompts")
    rows = require_rows(dataset.prompts("train"), "prompts", dataset, "train")
    texts = [prompt.prompt for prompt in rows]
    train = codec.encode_prompts(texts, config.lengths.max_prompt_tokens)
    cut = codec.cut["prompts"]
    valid_texts = [prompt.prompt for prompt in dataset.prompts("valid")[:VALID_PROMPTS]]
    valid = codec.encode_prompts(valid_texts, config.lengths.max_prompt_tokens)
    watched = list(zip(valid_texts or texts, valid or train, strict=True))
    return Texts(train, valid, cut, watched, dataset.hash)


def averaged(done: int, config: PpoConfig) -> bool:
    """Whether what comes after so many iterations is the averaged weights in place of the last ones."""
    return config.ppo.ema_decay > 0 and done == config.ppo.iterations


def publish(policy: LanguageModel, codec: Codec, dataset_hash: str, config: PpoConfig, run: Run) -> None:
    """Write the final weights, and the plot of score over KL."""
    about = {
        "kind": "ppo", "dataset_hash": dataset_hash, "seed": config.seed, "ptx_coef": config.ppo.ptx_coef,
    }  # fmt: skip
    run.publish_model(lambda folder: save_policy(policy, codec, folder, about))
    if lines := scores_over_kl(run.metrics.path):
        run.report["plots"] = {"over_optimisation": over_optimisation_plot(lines)}


def load_models(config: PpoConfig, run: Run) -> tuple[Models, Codec]:
    """Load policy, frozen reference, frozen reward model, and a value model that starts as the last.

    RLOO has no value model.
    """
    inputs = config.inputs
    policy, codec = load_policy(run.path(inputs.policy), key="inputs.policy", device=run.device)
    check_context(policy, config.lengths, key="inputs.policy")
    if config.lora.rank:
        return models_on_one_trunk(policy, codec, config, run), codec
    # Each leaves all but its share before the next is loaded: four whole models are more than a GPU holds.
    shard(policy, config.parallel)
    name = "inputs.policy" if inputs.reference is None else "inputs.reference"
    source = run.path(inputs.reference or inputs.policy)
    reference, ref_codec = load_policy(source, key=name, device=run.device)
    require_same_tokens(codec, ref_codec, name)
    check_context(reference, config.lengths, key=name)
    reference.requires_grad_(False)
    shard(reference, config.parallel)
    reward = load_judge(inputs.reward, codec, config, run, key="inputs.reward")
    value = None
    if config.ppo.estimator == "gae":
        value, _ = load_reward_model(run.path(inputs.reward), key="inputs.reward", device=run.device)
        shard(value, config.parallel)
    return Models(policy, reference, reward, value), codec


def load_judge(source: str, codec: Codec, config: PpoConfig, run: Run, *, key: str) -> RewardModel:
    """Load a frozen reward model that reads what the policy writes; key is the setting that named it."""
    judge, other = load_reward_model(run.path(source), key=key, device=run.device)
    require_same_tokens(codec, other, key)
    check_context(judge, config.lengths, key=key)
    judge.requires_grad_(False)
    shard(judge, config.parallel)
    return judge


def load_gold(config: PpoConfig, run: Run, codec: Codec) -> RewardModel | None:
    """Load the model that stands for what people want, where there is one: it judges and never teaches."""
    if config.inputs.gold is None:
        return None
    return load_judge(config.inputs.gold, codec, config, run, key="inputs.gold")


@torch.no_grad()
def gold_scores(gold: RewardModel, rollout: Rollout, microbatch_size: int, run: Run) -> Tensor:
    """Score a rollout's responses by the gold model: (B,) float."""
    found = []
    for part in rollout.microbatches(microbatch_size):
        with run.autocast():
            found.append(gold.scores(part.ids(), part.mask()))
    return torch.cat(found)


def load_pretraining(config: PpoConfig, run: Run, codec: Codec, policy: LanguageModel) -> PackedText | None:
    """Open the text of the pretraining term, if its coefficient is above 0."""
    if config.ppo.ptx_coef == 0 or config.inputs.pretrain is None:
        return None
    dataset = open_dataset(run.folder / config.inputs.pretrain, ["pretrain"], key="inputs.pretrain")
    texts = require_rows(dataset.texts("train"), "texts", dataset, "train")
    length = sequence_length(config.ppo.ptx_sequence_tokens, policy.context)
    return PackedText(texts, codec, sequence_tokens=length, what=str(dataset.folder))


def prompt_order(n: int, config: PpoConfig, iteration: int) -> list[int]:
    """Choose the prompts of an iteration: pass after pass over a fresh shuffle, none left out.

    With several samples per prompt, each prompt comes that many times in a row.
    """
    each = config.ppo.samples_per_prompt
    size = config.ppo.rollout_batch_size // each
    shuffled: dict[int, list[int]] = {}
    chosen = []
    for at in range(iteration * size, (iteration + 1) * size):
        epoch, place = divmod(at, n)
        if epoch not in shuffled:
            shuffled[epoch] = permutation(n, config.seed, "prompts", epoch)
        chosen += [shuffled[epoch][place]] * each
    return chosen


def estimate_advantages(rollout: Rollout, kl_coef: float, config: PpoConfig) -> tuple[Tensor, Tensor]:
    """Turn scores and KL into advantages and returns, each (B, R) float, 0 on padding."""
    settings, mask = config.ppo, rollout.response_mask
    if settings.estimator == "rloo":
        better = rloo(rollout.scores - kl_coef * rollout.kl(), settings.samples_per_prompt)  # (B,)
        return better.unsqueeze(1) * mask, torch.zeros_like(rollout.values)
    rewards = penalized_rewards(
        rollout.scores, rollout.logprobs, rollout.ref_logprobs, mask, kl_coef
    )  # (B, R)
    return gae(rewards, rollout.values, mask, settings.gamma, settings.lam)


def weighed_advantages(raw: Tensor, rollout: Rollout, config: PpoConfig) -> Tensor:
    """Whiten advantages if asked for, and weigh tokens whose sampler was not the trained model: (B, R)."""
    settings, mask = config.ppo, rollout.response_mask
    advantages = masked_whiten(raw, mask) if settings.whiten_advantages else raw
    if not needs_weights(config):
        return advantages
    cap = settings.sampler_weight_cap
    return advantages * token_weights(rollout.logprobs, rollout.sampled_logprobs, mask, cap)


def sample_rollout(
    models: Models,
    codec: Codec,
    prompts: Sequence[Sequence[int]],
    config: PpoConfig,
    run: Run,
    split: str,
    iteration: int,
    sampler: Sampler = generate,
    kept: list[Kept] | None = None,
) -> Rollout:
    """Collect a rollout whose randomness is a pure function of seed, split and iteration.

    With several processes each answers its microbatches of the prompts, and all get the whole rollout. `kept`
    takes the forward passes that the first step goes on from, as many as the config asks for.
    """
    width = config.lengths.max_response_tokens
    uniforms = row_uniforms(len(prompts), width, config.seed, "rollout", split, iteration)
    settings = config.ppo
    dealt = share(torch.split(torch.arange(len(prompts)), settings.microbatch_size))
    mine = [row for rows, _ in dealt for row in rows.tolist()]
    # The samples of a prompt share one pass over it, where no process got a part of them only.
    together = split == "train" and settings.microbatch_size % settings.samples_per_prompt == 0
    with run.autocast(), whole(models.policy):
        rollout = collect_rollout(
            models,
            codec,
            [prompts[row] for row in mine],
            max_tokens=width,
            temperature=settings.temperature,
            microbatch_size=settings.microbatch_size,
            microbatch_tokens=settings.microbatch_tokens,
            uniforms=uniforms[mine],
            sampler=sampler,
            samples=settings.samples_per_prompt if together else 1,
            at_once=settings.sampling_rows,
            # Held-out answers are described by the model's own score, which gold's is compared with.
            missing_eos_score=settings.missing_eos_score if split == "train" else None,
            kept=kept if size() == 1 else None,
            keep=min(settings.kept_microbatches, settings.minibatch_size // settings.microbatch_size),
            in_step=True,
        )
    if size() == 1:
        return rollout
    real = sum(len(rows) for rows, weight in dealt if weight)
    part = Rollout(*(x[:real].cpu() for x in rollout))
    joined = Rollout.joined(gathered((mine[:real], part)))
    return Rollout(*(x.to(run.device) for x in joined))


def iteration_metrics(
    rollout: Rollout, raw: Tensor, returns: Tensor, kl_coef: float, config: PpoConfig
) -> dict[str, float]:
    """Describe a rollout and how well its returns were foreseen; raw are advantages before whitening."""
    mask = rollout.response_mask
    found = rollout_metrics(rollout, kl_coef)
    cap = config.ppo.sampler_weight_cap
    found |= mismatch_metrics(rollout.logprobs, rollout.sampled_logprobs, mask, cap)
    found["objective/kl_coef"] = kl_coef
    found["ppo/advantage_std"] = float(raw[mask].std(correction=0))
    if config.ppo.estimator == "gae":
        found["ppo/explained_variance"] = float(explained_variance(rollout.values, returns, mask))
    return found


def valid_metrics(
    held_out: Rollout, gold: RewardModel | None, config: PpoConfig, run: Run
) -> dict[str, float]:
    """Describe the answers to held-out prompts."""
    found = {"valid/score": float(held_out.scores.mean()), "valid/kl": float(held_out.kl().mean())}
    if gold is not None:
        scores = gold_scores(gold, held_out, config.ppo.microbatch_size, run)
        found["valid/gold_score"] = float(scores.mean())
    return found


def rollout_metrics(rollout: Rollout, kl_coef: float) -> dict[str, float]:
    """Describe what a policy wrote: scores, KL, entropy, length, ends."""
    return described(response_numbers(rollout), kl_coef)


def response_numbers(rollout: Rollout) -> Tensor:
    """Reduce each response to what metrics need of it: (B, 6) float, columns as `described` reads them."""
    k3 = kl_k3(rollout.logprobs, rollout.ref_logprobs)  # 0 on padding, as entropy
    tokens, ended = rollout.response_mask.sum(dim=1), rollout.ended
    columns = [rollout.scores, rollout.kl(), k3.sum(dim=1), rollout.entropy.sum(dim=1), tokens, ended]
    return torch.stack([x.float() for x in columns], dim=1)


def described(numbers: Tensor, kl_coef: float) -> dict[str, float]:
    """Average over responses, and entropy over tokens: numbers (N, 6) of any number of rollouts."""
    scores, kl, k3, entropy, tokens, ended = numbers.unbind(dim=1)
    return {
        "objective/score": float(scores.mean()),
        "objective/score_std": float(scores.std(correction=0)),
        "objective/reward": float((scores - kl_coef * kl).mean()),
        "objective/kl": float(kl.mean()),
        "objective/kl_k3": float(k3.mean()),
        "objective/entropy": float(entropy.sum() / tokens.sum()),
        "objective/response_tokens": float(tokens.mean()),
        "objective/eos_fraction": float(ended.mean()),
    }


def add_samples(
    models: Models,
    codec: Codec,
    watched: Sequence[tuple[str, Sequence[int]]],
    config: PpoConfig,
    run: Run,
    step: int,
) -> None:
    """Let the policy answer the same few prompts with the same randomness each time, and write that down."""
    if not watched:
        return
    rollout = sample_rollout(models, codec, [ids for _, ids in watched], config, run, "samples", 0)
    for row, (text, _) in enumerate(watched):
        ids = rollout.tokens[row][rollout.response_mask[row]].tolist()
        score = round(float(rollout.scores[row]), 4)
        run.add_sample(step, {"prompt": text, "response": codec.decode(ids), "score": score})
