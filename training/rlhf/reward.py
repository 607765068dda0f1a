"""Reward model: learn one scalar per response from labelers' rankings.

Ouyang et al. 2022 (arXiv 2203.02155), sec. 3.5 and app. C.2: a ranking of K responses is one element of a
batch with all its pairs, ties dropped; 64 rankings a step, one epoch, cosine to 10 % of the peak; afterwards
a constant is taken off so that labelers' demonstrations score 0 on average. Departures: the trunk starts
from the given policy (the paper's from GPT-3 fine-tuned on public sets, and says SFT is alike); pairs are
divided by those that ties leave; without demonstrations the training responses average 0, and
instructloop.json says which it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from training.rlhf.accuracy import PairCounts, accuracy_metrics
from training.rlhf.batching import microbatches, minibatch_order
from training.rlhf.checkpoint import Stateful
from training.rlhf.config import RewardConfig
from training.rlhf.cross_validation import Fold, as_kept, as_table, kept_folds, labeler_folds, pooled
from training.rlhf.data import Comparison, open_dataset, require_rows
from training.rlhf.errors import RunRefusedError
from training.rlhf.folder import write_json
from training.rlhf.lora import Lora
from training.rlhf.losses import ranking_loss
from training.rlhf.model import RewardModel, new_reward_model, save_reward_model
from training.rlhf.optim import learning_rate, make_optimizer, take_step
from training.rlhf.origin import require_same_origin
from training.rlhf.parallel import gathered, is_main, shard, share, summed
from training.rlhf.plots import calibration_plot
from training.rlhf.runtime import Run, due, log, require_finite
from training.rlhf.sections import Lengths
from training.rlhf.sft import check_context
from training.rlhf.tokenizer import Codec

BIAS_RESPONSES = 4096


class RankedExample(NamedTuple):
    """A ranking as ids: one prompt, K responses, K ranks; cluster is a hash of the prompt's text."""

    prompt: list[int]
    responses: list[list[int]]
    ranks: tuple[int, ...]
    cluster: str
    group: str

    def tokens(self) -> int:
        """Tokens of a row per response, padding included: what one ranking costs at most."""
        return len(self.responses) * (len(self.prompt) + max(map(len, self.responses)))


def run(config: RewardConfig, run: Run) -> dict[str, float]:
    """Train a reward model on the train split, measure it on the valid split, set its bias, save it."""
    # 1. Data: rankings that are ties only teach nothing and are dropped.
    dataset = open_dataset(run.folder / config.inputs.dataset, ["comparisons"], key="inputs.dataset")
    rows = require_rows(dataset.comparisons("train"), "rankings", dataset, "train")
    kept = require_pairs(rows, "inputs.dataset")
    valid_rows = [row for row in dataset.comparisons("valid") if row.pair_count() > 0]
    if config.reward.folds:
        run.report["folds"] = cross_validate(config, run, kept, valid_rows)
    # 2. Model.
    model, codec = start_model(config, run)
    examples, valid = encode(kept, codec, config.lengths), encode(valid_rows, codec, config.lengths)
    cut_prompts = codec.cut["prompts"]
    settings = config.reward
    lengths = [example.tokens() for example in examples]
    steps_per_epoch = -(-len(examples) // settings.minibatch_size)
    total = steps_per_epoch * settings.epochs
    log.info("%d rankings (%d of ties only dropped), %d valid", len(kept), len(rows) - len(kept), len(valid))
    optimizer = make_optimizer(model, config.optim)
    parts: dict[str, Stateful] = {"model": model, "optimizer": optimizer}
    first, _ = run.resume(parts)
    # 3. Train, one minibatch of rankings a step.
    order: list[list[int]] = []
    for step in range(first, total):
        epoch, place = divmod(step, steps_per_epoch)
        if place == 0 or not order:
            order = minibatch_order(lengths, settings.minibatch_size, config.seed, epoch)
        metrics = backward(model, [examples[i] for i in order[place]], config, run)
        rate = learning_rate(config.optim, step, total)
        norm = take_step(optimizer, model, rate, config.optim.clip_norm)
        # 4. Report and save.
        done = step + 1
        for name, value in {**metrics, "the gradient norm": norm}.items():
            require_finite(value, name, done)
        if due(done, config.report.log_every, total):
            metrics |= {"optim/grad_norm": norm, "optim/learning_rate": rate}
            if valid and due(done, config.report.valid_every, total):
                metrics |= measure(model, valid, config, run)
            run.metrics.write(done, metrics)
        run.progress("training", done, total, "steps")
        run.save_if_due(done, parts, last=done == total)
    # 5. The bias that gives scores a zero, then the final model.
    about = set_bias(model, codec, examples, config, run)
    dropped = len(rows) - len(kept)
    counted = {"data/examples": len(kept), "data/dropped": dropped, "data/prompts_cut": cut_prompts}
    counted["data/truncated"] = count_cut(examples, codec)
    run.metrics.write(total, {"reward/bias": model.bias or 0.0, **counted})
    about |= {"kind": "reward", "dataset_hash": dataset.hash, "seed": config.seed}
    run.publish_model(lambda folder: save_reward_model(model, codec, folder, about))
    return run.metrics.latest


def start_model(config: RewardConfig, run: Run) -> tuple[RewardModel, Codec]:
    """Put a fresh head on the given policy's trunk, and make it ready to be trained."""
    source = run.path(config.inputs.policy)
    model, codec = new_reward_model(source, key="inputs.policy", device=run.device, seed=config.seed)
    check_context(model, config.lengths, key="inputs.policy")
    if config.lora.rank:
        model.adapt(Lora(model.trunk, config.lora, seed=config.seed))
    shard(model, config.parallel)
    return model, codec


def set_bias(
    model: RewardModel, codec: Codec, examples: Sequence[RankedExample], config: RewardConfig, run: Run
) -> dict[str, Any]:
    """Take off the mean score of the chosen responses; returns what instructloop.json says of them."""
    run.progress("setting the bias", 0, 1, "models")
    source, scored = bias_rows(config, run, examples, codec)
    model.bias = float(score_all(model, scored, config, run).mean())
    return {"bias_from": source, "bias_responses": sum(len(example.responses) for example in scored)}


def cross_validate(
    config: RewardConfig, run: Run, rows: Sequence[Comparison], valid: Sequence[Comparison]
) -> list[dict[str, Any]]:
    """Train once without each group of labelers and predict that group; returns the table of folds.

    Sec. 4.1 and app. E.2: labelers in groups with about equal data. Beside it stands the accuracy on valid
    rankings of the labelers trained on, which the paper compares it with. Each finished fold is kept, so that
    a run that is stopped goes on with the next.
    """
    path = run.folder / "folds.json"
    held = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    require_same_origin(held.get("origin", {}), run.origin, what="the table of folds", folder=path)
    if held and "counts" not in held:  # an earlier process of this run came further than this
        return list(held["folds"])
    groups = labeler_folds([row.labeler for row in rows], config.reward.folds)
    folds = kept_folds(held)
    for group in groups[len(folds) :]:
        folds.append(train_fold(config, run, rows, valid, group, len(folds) + 1))
        if is_main() and len(folds) < len(groups):
            write_json(path, {"origin": run.origin, **as_kept(folds)}, indent=None)
    run.metrics.write(0, pooled(folds))
    table = as_table(folds)
    if is_main():
        write_json(path, {"origin": run.origin, "folds": table})
    for row in table:
        log.info("fold %(fold)d: left out %(left_out)s, inside %(inside)s", row)
    return table


def train_fold(
    config: RewardConfig,
    run: Run,
    rows: Sequence[Comparison],
    valid: Sequence[Comparison],
    group: set[str],
    number: int,
) -> Fold:
    """Train without a group of labelers, then predict it, and the valid rankings of the others."""
    model, codec = start_model(config, run)
    others = encode([row for row in rows if row.labeler not in group], codec, config.lengths)
    optimizer = make_optimizer(model, config.optim)
    settings, lengths = config.reward, [example.tokens() for example in others]
    orders = [
        minibatch
        for epoch in range(settings.epochs)
        for minibatch in minibatch_order(lengths, settings.minibatch_size, config.seed, epoch)
    ]
    for step, minibatch in enumerate(orders):
        run.stop_if_cancelled()
        loss = backward(model, [others[i] for i in minibatch], config, run)["loss/reward"]
        rate = learning_rate(config.optim, step, len(orders))
        norm = take_step(optimizer, model, rate, config.optim.clip_norm)
        for name, value in (("loss/reward", loss), ("the gradient norm", norm)):
            require_finite(value, f"{name} of fold {number}", step + 1)
        run.progress(f"fold {number} of {settings.folds}", step + 1, len(orders), "steps")
    left_out = encode([row for row in rows if row.labeler in group], codec, config.lengths)
    inside = encode([row for row in valid if row.labeler not in group], codec, config.lengths)
    counts = [count_pairs(model, examples, config, run)[1] for examples in (left_out, inside)]
    return Fold(number, sorted(group), len(others), *counts)


def require_pairs(rows: Sequence[Comparison], key: str) -> list[Comparison]:
    """Leave out rankings that are ties only, or refuse the run if nothing is left."""
    kept = [row for row in rows if row.pair_count() > 0]
    if not kept:
        raise RunRefusedError(
            f"{key}: all {len(rows)} rankings in the train split are ties only; "
            "at least one response must be preferred to another."
        )
    return kept


def encode(rows: Sequence[Comparison], codec: Codec, lengths: Lengths) -> list[RankedExample]:
    """Turn rankings into ids."""
    prompts = codec.encode_prompts([row.prompt for row in rows], lengths.max_prompt_tokens)
    examples = []
    for row, prompt in zip(rows, prompts, strict=True):
        responses = codec.encode_responses(row.responses, lengths.max_response_tokens)
        cluster = hashlib.sha256(row.prompt.encode()).hexdigest()[:16]
        examples.append(RankedExample(prompt, responses, row.ranks, cluster, row.labeler_group))
    return examples


def count_cut(examples: Sequence[RankedExample], codec: Codec) -> int:
    """Count the responses that were too long and lost their end."""
    return sum(codec.is_cut(response) for example in examples for response in example.responses)


def score_examples(
    model: RewardModel, examples: Sequence[RankedExample], *, share_prompt: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Score all responses of some rankings.

    returns  scores (B, K) float, ranks (B, K) int, slot_mask (B, K) bool, True = a response stands here
    """
    device = model.head.weight.device
    most = max(len(example.responses) for example in examples)
    ranks = torch.zeros(len(examples), most, dtype=torch.long)
    slot_mask = torch.zeros(len(examples), most, dtype=torch.bool)
    for i, example in enumerate(examples):
        ranks[i, : len(example.ranks)] = torch.tensor(example.ranks)
        slot_mask[i, : len(example.ranks)] = True
    ranks, slot_mask = ranks.to(device), slot_mask.to(device)
    flat = model.score_groups(
        [example.prompt for example in examples],
        [example.responses for example in examples],
        share_prompt=share_prompt,
    )
    scores = torch.zeros(slot_mask.shape, device=device).masked_scatter(slot_mask, flat)
    return scores, ranks, slot_mask


def backward(
    model: RewardModel, minibatch: Sequence[RankedExample], config: RewardConfig, run: Run
) -> dict[str, float]:
    """Add the gradient of the mean loss over the rankings of a minibatch; returns the step's metrics."""
    loss_sum, began = 0.0, time.monotonic()
    scores_seen, counts = [torch.zeros(0)], PairCounts()
    groups = microbatches([example.tokens() for example in minibatch], config.reward.microbatch_tokens)
    for group, weight in share(groups):
        part = [minibatch[i] for i in group]
        with run.autocast():
            scores, ranks, slot_mask = score_examples(model, part, share_prompt=config.reward.share_prompt)
        loss = ranking_loss(scores, ranks, slot_mask)
        torch.autograd.backward(loss * (weight * len(part) / len(minibatch)))
        if weight:
            loss_sum += float(loss.detach()) * len(part)
            counts.add(scores.detach(), ranks, slot_mask, part)
            scores_seen.append(scores.detach()[slot_mask].cpu())
    loss_sum = summed({"loss": loss_sum})["loss"]
    counts = PairCounts.merged(gathered(counts))
    seen = torch.cat(gathered(torch.cat(scores_seen)))
    read = sum(len(example.prompt) + sum(map(len, example.responses)) for example in minibatch)
    return {
        "loss/reward": loss_sum / len(minibatch),
        "reward/accuracy": counts.accuracy(),
        "reward/margin": counts.margin(),
        "reward/score_mean": float(seen.mean()),
        "reward/score_std": float(seen.std(correction=0)),
        "speed/tokens_per_second": read / (time.monotonic() - began),
    }


@torch.no_grad()
def measure(
    model: RewardModel, examples: Sequence[RankedExample], config: RewardConfig, run: Run
) -> dict[str, float]:
    """Compute loss and accuracy, with its interval and per labeler group, over held-out rankings."""
    loss_sum, counts = count_pairs(model, examples, config, run)
    run.report["plots"] = {"calibration": calibration_plot(counts.bins())}
    return {"valid/reward_loss": loss_sum / len(examples), **accuracy_metrics(counts)}


@torch.no_grad()
def count_pairs(
    model: RewardModel, examples: Sequence[RankedExample], config: RewardConfig, run: Run
) -> tuple[float, PairCounts]:
    """Sum the loss over rankings and count the pairs in the labelers' order."""
    loss_sum, counts = 0.0, PairCounts()
    groups = microbatches([example.tokens() for example in examples], config.reward.microbatch_tokens)
    for group, weight in share(groups):
        part = [examples[i] for i in group]
        with run.autocast():
            scores, ranks, slot_mask = score_examples(model, part, share_prompt=config.reward.share_prompt)
        if weight:
            loss_sum += float(ranking_loss(scores, ranks, slot_mask)) * len(part)
            counts.add(scores, ranks, slot_mask, part)
    loss_sum = summed({"loss": loss_sum})["loss"]
    return loss_sum, PairCounts.merged(gathered(counts))


def bias_rows(
    config: RewardConfig, run: Run, examples: Sequence[RankedExample], codec: Codec
) -> tuple[str, list[RankedExample]]:
    """Choose the responses whose mean score becomes 0, and say what they are."""
    if config.inputs.demonstrations is None:
        return "training responses", list(examples[:BIAS_RESPONSES])
    dataset = open_dataset(run.folder / config.inputs.demonstrations, ["sft"], key="inputs.demonstrations")
    rows = require_rows(dataset.demonstrations("train"), "demonstrations", dataset, "train")[:BIAS_RESPONSES]
    prompts = codec.encode_prompts([row.prompt for row in rows], config.lengths.max_prompt_tokens)
    responses = codec.encode_responses([row.completion for row in rows], config.lengths.max_response_tokens)
    found = [RankedExample(p, [r], (1,), "", "") for p, r in zip(prompts, responses, strict=True)]
    return "demonstrations", found


@torch.no_grad()
def score_all(
    model: RewardModel, examples: Sequence[RankedExample], config: RewardConfig, run: Run
) -> Tensor:
    """Score every response of every example: (number of responses,) float, in no particular order."""
    found = [torch.zeros(0)]
    groups = microbatches([example.tokens() for example in examples], config.reward.microbatch_tokens)
    for group, weight in share(groups):
        with run.autocast():
            scores, _, slot_mask = score_examples(
                model, [examples[i] for i in group], share_prompt=config.reward.share_prompt
            )
        if weight:
            found.append(scores[slot_mask].cpu())
    return torch.cat(gathered(torch.cat(found)))
