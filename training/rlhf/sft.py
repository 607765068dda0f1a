"""SFT: fine-tune a base model on demonstrations.

Ouyang et al. 2022 (arXiv 2203.02155), app. C.1: 16 epochs, batch 32, cosine to 10 % of the peak, no warm-up;
app. C.3 for the initialiser of PPO: 2 epochs with 10 % pretraining data mixed in. Departures: the paper does
not say whether the prompt is trained on, here it is not unless `sft.loss_on_prompt`; dropout is off unless
asked for (paper: 0.2); with `inputs.reward` the weights of the epoch whose responses to the valid prompts
score highest are kept, as in the paper, otherwise the last; with a mix, the step's loss is (1 - f) times the
mean over demonstration tokens plus f times the mean over pretraining tokens, f being `sft.pretrain_fraction`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from training.rlhf.batching import derive_seed, microbatches, minibatch_order, right_pad
from training.rlhf.checkpoint import Stateful, load_trained, trained_state
from training.rlhf.config import SftConfig
from training.rlhf.data import Demonstration, open_dataset, require_rows
from training.rlhf.errors import RunRefusedError
from training.rlhf.generation import generate, row_uniforms
from training.rlhf.lora import Lora
from training.rlhf.losses import token_losses
from training.rlhf.model import LanguageModel, RewardModel, load_policy, load_reward_model, save_policy
from training.rlhf.optim import learning_rate, make_optimizer, take_step
from training.rlhf.packing import PackedText, text_loss
from training.rlhf.parallel import shard, share, summed, whole
from training.rlhf.rollout import Models, collect_rollout
from training.rlhf.runtime import Run, due, log, require_finite
from training.rlhf.sections import Lengths
from training.rlhf.tokenizer import Codec, require_same_tokens

SELECTION_PROMPTS, SELECTION_ROWS = 512, 64


class Selector(NamedTuple):
    """What judges an epoch: a reward model, and the valid prompts to answer."""

    reward: RewardModel
    prompts: list[list[int]]

    def score(self, model: LanguageModel, codec: Codec, config: SftConfig, run: Run) -> float:
        """Average the scores of a response to each valid prompt, sampled alike each time."""
        width = config.lengths.max_response_tokens
        uniforms = row_uniforms(len(self.prompts), width, config.seed, "selection")
        with run.autocast(), whole(model), whole(self.reward):
            rollout = collect_rollout(
                Models(model, reward=self.reward),
                codec,
                self.prompts,
                max_tokens=width,
                temperature=1.0,
                microbatch_size=SELECTION_ROWS,
                uniforms=uniforms,
            )
        return float(rollout.scores.mean())


class Example(NamedTuple):
    """One row of ids; the tokens from `supervised_from` on are learned."""

    ids: list[int]
    supervised_from: int


def run(config: SftConfig, run: Run) -> dict[str, float]:
    """Fine-tune the policy on the train split, report the loss on the valid split, save the model."""
    # 1. Model and data.
    dataset = open_dataset(run.folder / config.inputs.dataset, ["sft"], key="inputs.dataset")
    train_rows = require_rows(dataset.demonstrations("train"), "demonstrations", dataset, "train")
    source, dropout = run.path(config.inputs.policy), config.sft.dropout
    model, codec = load_policy(source, key="inputs.policy", device=run.device, dropout=dropout)
    check_context(model, config.lengths, key="inputs.policy")
    examples = encode(train_rows, codec, config)
    valid = encode(dataset.demonstrations("valid"), codec, config)
    mix = _load_mix(config, run, codec, model)
    prepare(model, config)
    counted: dict[str, float] = {"data/examples": len(examples), "data/prompts_cut": codec.cut["prompts"]}
    counted["data/truncated"] = sum(codec.is_cut(example.ids) for example in examples)
    lengths = [len(example.ids) for example in examples]
    steps_per_epoch = -(-len(examples) // config.sft.minibatch_size)
    total = steps_per_epoch * config.sft.epochs
    log.info("%d demonstrations, %d valid, %d steps", len(examples), len(valid), total)
    optimizer = make_optimizer(model, config.optim)
    parts: dict[str, Stateful] = {"model": model, "optimizer": optimizer}
    selector = load_selector(config, run, codec, [row.prompt for row in dataset.demonstrations("valid")])
    if selector is not None:
        parts["best"] = best = {name: x.clone() for name, x in trained_state(model).items()}
    first, state = run.resume(parts)
    # 2. Train, one minibatch of demonstrations of similar length a step.
    order: list[list[int]] = []
    for step in range(first, total):
        epoch, place = divmod(step, steps_per_epoch)
        if place == 0 or not order:
            order = minibatch_order(lengths, config.sft.minibatch_size, config.seed, epoch)
        minibatch = [examples[i] for i in order[place]]
        metrics = train_step(model, optimizer, minibatch, mix, config, run, step, total)
        # 3. Report and save.
        done = step + 1
        log_due = due(done, config.report.log_every, total)
        if valid and due(done, config.report.valid_every, total):
            metrics["valid/loss"] = valid_loss(model, valid, config, run)
            log_due = True
        if selector is not None and place + 1 == steps_per_epoch:
            metrics["valid/score"] = score = selector.score(model, codec, config, run)
            log_due = True
            if score > state.get("best_score", -math.inf):
                state = {"best_score": score, "best_epoch": epoch + 1}
                for name, x in trained_state(model).items():
                    best[name].copy_(x)
        if log_due:
            run.metrics.write(done, metrics)
        if due(done, config.report.sample_every, total):
            add_samples(model, codec, run, config, dataset.demonstrations("valid") or train_rows, done)
        run.progress("training", done, total, "steps")
        run.save_if_due(done, parts, state, last=done == total)
    # 4. The final model.
    if selector is not None:
        load_trained(model, best)
        counted |= {"valid/best_epoch": state["best_epoch"], "valid/score": state["best_score"]}
        counted |= {"valid/loss": valid_loss(model, valid, config, run)} if valid else {}
    run.metrics.write(total, counted)
    about = {"kind": "sft", "dataset_hash": dataset.hash, "seed": config.seed}
    run.publish_model(lambda folder: save_policy(model, codec, folder, about))
    return run.metrics.latest


def prepare(model: LanguageModel, config: SftConfig) -> None:
    """Make a model ready to be trained as the config says: adapters, shares of its weights."""
    if config.lora.rank:
        model.adapt(Lora(model.body.module, config.lora, seed=config.seed))
    shard(model, config.parallel)


def train_step(
    model: LanguageModel,
    optimizer: torch.optim.Optimizer,
    minibatch: Sequence[Example],
    mix: PackedText | None,
    config: SftConfig,
    run: Run,
    step: int,
    total: int,
) -> dict[str, float]:
    """Take an optimizer step on a minibatch, with pretraining text if there is some; returns its metrics."""
    began = time.monotonic()
    model.train(config.sft.dropout > 0)
    loss, tokens = backward(model, minibatch, config, run, step)
    metrics = {"loss/sft": loss}
    if mix is not None:
        metrics["loss/ptx"] = _backward_mix(model, mix, len(minibatch), config, run, step)
    rate = learning_rate(config.optim, step, total)
    norm = take_step(optimizer, model, rate, config.optim.clip_norm)
    model.eval()
    for name, value in {**metrics, "the gradient norm": norm}.items():
        require_finite(value, name, step + 1)
    return {
        **metrics,
        "optim/grad_norm": norm,
        "optim/learning_rate": rate,
        "speed/tokens_per_second": tokens / (time.monotonic() - began),
    }


def encode(rows: Sequence[Demonstration], codec: Codec, config: SftConfig) -> list[Example]:
    """Turn demonstrations into rows of ids; every row has at least one supervised token."""
    prompts = codec.encode_prompts([row.prompt for row in rows], config.lengths.max_prompt_tokens)
    responses = codec.encode_responses([row.completion for row in rows], config.lengths.max_response_tokens)
    # The first token of a row has nothing before it that could predict it.
    return [
        Example(prompt + response, 1 if config.sft.loss_on_prompt else max(1, len(prompt)))
        for prompt, response in zip(prompts, responses, strict=True)
    ]


def token_loss_sum(
    model: LanguageModel, examples: Sequence[Example], device: torch.device
) -> tuple[Tensor, int]:
    """Sum the loss over the supervised tokens; logits are computed for those only.

    returns  () float, nats; and the number of supervised tokens
    """
    ids, mask = (x.to(device) for x in right_pad([example.ids for example in examples]))
    starts = torch.tensor([example.supervised_from for example in examples], device=device)
    supervised = mask & (torch.arange(ids.shape[1], device=device) >= starts.unsqueeze(1))  # (B, T)
    hidden = model.hidden(ids, mask, read=supervised.roll(-1, dims=1))  # (N, D): the places before
    targets = ids[:, 1:][supervised[:, 1:]]
    return token_losses(model.logits(hidden), targets).sum(), len(targets)


def backward(
    model: LanguageModel, minibatch: Sequence[Example], config: SftConfig, run: Run, step: int
) -> tuple[float, int]:
    """Add the gradient of the mean loss per supervised token of the minibatch of a step.

    returns  the mean loss, nats per token; and the number of tokens read

    Every microbatch is weighed by its tokens, so that the gradient does not depend on how a minibatch is
    split.
    """
    supervised = sum(len(example.ids) - example.supervised_from for example in minibatch)
    total = 0.0
    groups = microbatches([len(example.ids) for example in minibatch], config.sft.microbatch_tokens)
    for (number, group), weight in share(list(enumerate(groups))):
        seed_dropout(config, step, "demonstrations", number)
        with run.autocast():
            loss, _ = token_loss_sum(model, [minibatch[i] for i in group], run.device)
        torch.autograd.backward(loss * (weight * (1 - config.sft.pretrain_fraction) / supervised))
        total += float(loss.detach()) * weight
    total = summed({"loss": total})["loss"]
    return total / supervised, sum(len(example.ids) for example in minibatch)


@torch.no_grad()
def valid_loss(model: LanguageModel, valid: Sequence[Example], config: SftConfig, run: Run) -> float:
    """Average the loss over all supervised tokens of the valid split."""
    total, count = 0.0, 0.0
    groups = microbatches([len(example.ids) for example in valid], config.sft.microbatch_tokens)
    for group, weight in share(groups):
        loss, tokens = token_loss_sum(model, [valid[i] for i in group], run.device)
        total, count = total + float(loss) * weight, count + tokens * weight
    found = summed({"total": total, "count": count})
    return found["total"] / found["count"]


def check_context(model: LanguageModel | RewardModel, lengths: Lengths, *, key: str) -> None:
    """Refuse lengths that a model cannot read; key is the setting that named it."""
    longest = lengths.max_prompt_tokens + lengths.max_response_tokens
    if longest > model.context:
        raise RunRefusedError(
            f"lengths.max_prompt_tokens {lengths.max_prompt_tokens} and lengths.max_response_tokens "
            f"{lengths.max_response_tokens} make {longest}, the model of {key} reads {model.context}; "
            "lower one."
        )


def seed_dropout(config: SftConfig, step: int, what: str, microbatch: int) -> None:
    """Let what the next forward pass drops be a function of seed and place, in whichever process it runs."""
    if config.sft.dropout > 0:
        torch.manual_seed(derive_seed(config.seed, "dropout", what, step, microbatch))


def add_samples(
    model: LanguageModel, codec: Codec, run: Run, config: SftConfig, rows: Sequence[Demonstration], step: int
) -> None:
    """Write a few responses to samples.jsonl."""
    prompts = [row.prompt for row in rows[: config.report.sample_count]]
    if not prompts:
        return
    width = config.lengths.max_response_tokens
    with whole(model):
        made = generate(
            model,
            codec.encode_prompts(prompts, config.lengths.max_prompt_tokens),
            n=1,
            max_tokens=width,
            eos_id=codec.eos_id,
            temperature=1.0,
            uniforms=row_uniforms(len(prompts), width, config.seed, "samples", step),
        )
    for prompt, ids in zip(prompts, made.rows(), strict=True):
        run.add_sample(step, {"prompt": prompt, "response": codec.decode(ids)})


def load_selector(config: SftConfig, run: Run, codec: Codec, prompts: Sequence[str]) -> Selector | None:
    """Load what judges the epochs, where a reward model is given."""
    if config.inputs.reward is None:
        return None
    if not prompts:
        raise RunRefusedError(
            "inputs.reward picks the best epoch by the valid prompts, but inputs.dataset has no valid split; "
            "leave inputs.reward out."
        )
    reward, other = load_reward_model(run.path(config.inputs.reward), key="inputs.reward", device=run.device)
    require_same_tokens(codec, other, "inputs.reward")
    check_context(reward, config.lengths, key="inputs.reward")
    reward.requires_grad_(False)
    shard(reward, config.parallel)
    chosen = list(dict.fromkeys(prompts))[:SELECTION_PROMPTS]
    return Selector(reward, codec.encode_prompts(chosen, config.lengths.max_prompt_tokens))


def _load_mix(config: SftConfig, run: Run, codec: Codec, model: LanguageModel) -> PackedText | None:
    if config.inputs.pretrain is None or config.sft.pretrain_fraction == 0:
        return None
    dataset = open_dataset(run.folder / config.inputs.pretrain, ["pretrain"], key="inputs.pretrain")
    texts = require_rows(dataset.texts("train"), "texts", dataset, "train")
    length = min(model.context, config.lengths.max_prompt_tokens + config.lengths.max_response_tokens)
    return PackedText(texts, codec, sequence_tokens=length, what=str(dataset.folder))


def _backward_mix(
    model: LanguageModel, mix: PackedText, demonstrations: int, config: SftConfig, run: Run, step: int
) -> float:
    fraction = config.sft.pretrain_fraction
    n = max(1, round(demonstrations * fraction / (1 - fraction)))
    ids = mix.draw(n, config.seed, "mix", step)
    most = max(1, config.sft.microbatch_tokens // ids.shape[1])
    mean = 0.0
    for (number, part), weight in share(list(enumerate(torch.split(ids, most)))):
        seed_dropout(config, step, "mix", number)
        with run.autocast():
            loss = text_loss(model, part.to(run.device))
        own = weight * len(part) / n
        torch.autograd.backward(loss * (fraction * own))
        mean += float(loss.detach()) * own
    return summed({"loss": mean})["loss"]
