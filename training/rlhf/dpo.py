"""DPO: learn a policy from labelers' rankings directly, beside reward model and PPO.

Rafailov et al. 2023 (arXiv 2305.18290), eq. 7: the reward of a response is beta times its log-ratio to the
reference, and the ranking loss of those rewards is what is minimised. As for our reward model a ranking is
one element with all its pairs, ties dropped (the paper has single pairs). The reference answers once, before
the first step, so that only one model is trained and held.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from training.rlhf.accuracy import PairCounts, accuracy_metrics
from training.rlhf.batching import microbatches, minibatch_order, right_pad
from training.rlhf.checkpoint import Stateful
from training.rlhf.config import DpoConfig
from training.rlhf.data import open_dataset, require_rows
from training.rlhf.logprobs import response_logprobs
from training.rlhf.lora import Lora
from training.rlhf.losses import ranking_loss
from training.rlhf.model import LanguageModel, load_policy, save_policy
from training.rlhf.optim import learning_rate, make_optimizer, take_step
from training.rlhf.parallel import gathered, shard, share, summed
from training.rlhf.reward import RankedExample, count_cut, encode, require_pairs
from training.rlhf.runtime import Run, due, log, require_finite
from training.rlhf.sft import check_context
from training.rlhf.tokenizer import require_same_tokens


def run(config: DpoConfig, run: Run) -> dict[str, float]:
    """Train the policy on the train split, measure its implicit rewards on the valid split, save it."""
    # 1. Data and model.
    dataset = open_dataset(run.folder / config.inputs.dataset, ["comparisons"], key="inputs.dataset")
    rows = require_rows(dataset.comparisons("train"), "rankings", dataset, "train")
    kept = require_pairs(rows, "inputs.dataset")
    model, codec = load_policy(run.path(config.inputs.policy), key="inputs.policy", device=run.device)
    check_context(model, config.lengths, key="inputs.policy")
    examples = encode(kept, codec, config.lengths)
    valid_rows = [row for row in dataset.comparisons("valid") if row.pair_count() > 0]
    valid = encode(valid_rows, codec, config.lengths)
    if config.lora.rank:
        model.adapt(Lora(model.body.module, config.lora, seed=config.seed))
    shard(model, config.parallel)
    optimizer = make_optimizer(model, config.optim)  # before the first forward pass gathers sharded weights
    # 2. What the reference says of every response, once.
    reference = model
    if config.inputs.reference is not None:
        name = "inputs.reference"
        reference, other = load_policy(run.path(config.inputs.reference), key=name, device=run.device)
        require_same_tokens(codec, other, name)
        check_context(reference, config.lengths, key=name)
        shard(reference, config.parallel)
    anchors = reference_logprobs(reference, examples, config, run)
    valid_anchors = reference_logprobs(reference, valid, config, run)
    del reference
    settings = config.dpo
    lengths = [example.tokens() for example in examples]
    steps_per_epoch = -(-len(examples) // settings.minibatch_size)
    total = steps_per_epoch * settings.epochs
    log.info("%d rankings (%d of ties only dropped), %d valid", len(kept), len(rows) - len(kept), len(valid))
    parts: dict[str, Stateful] = {"model": model, "optimizer": optimizer}
    first, _ = run.resume(parts)
    # 3. Train, one minibatch of rankings a step.
    order: list[list[int]] = []
    for step in range(first, total):
        epoch, place = divmod(step, steps_per_epoch)
        if place == 0 or not order:
            order = minibatch_order(lengths, settings.minibatch_size, config.seed, epoch)
        chosen = order[place]
        metrics = backward(model, [examples[i] for i in chosen], [anchors[i] for i in chosen], config, run)
        rate = learning_rate(config.optim, step, total)
        norm = take_step(optimizer, model, rate, config.optim.clip_norm)
        # 4. Report and save.
        done = step + 1
        for name, value in {**metrics, "the gradient norm": norm}.items():
            require_finite(value, name, done)
        if due(done, config.report.log_every, total):
            metrics |= {"optim/grad_norm": norm, "optim/learning_rate": rate}
            if valid and due(done, config.report.valid_every, total):
                metrics |= measure(model, valid, valid_anchors, config, run)
            run.metrics.write(done, metrics)
        run.progress("training", done, total, "steps")
        run.save_if_due(done, parts, last=done == total)
    counted = {"data/dropped": len(rows) - len(kept), "data/prompts_cut": codec.cut["prompts"]}
    counted["data/truncated"] = count_cut(examples, codec)
    run.metrics.write(total, {"data/examples": len(kept), **counted})
    about = {"kind": "dpo", "dataset_hash": dataset.hash, "seed": config.seed, "beta": settings.beta}
    run.publish_model(lambda folder: save_policy(model, codec, folder, about))
    return run.metrics.latest


def sequence_logprobs(
    model: LanguageModel, examples: Sequence[RankedExample], device: torch.device
) -> Tensor:
    """Sum the log-probabilities of each response's tokens, its end token included.

    returns  (sum of K,) float, nats, in the order of examples and their responses

    The prompt of a ranking is run once and its K responses behind it: P + K R tokens in place of K (P + R),
    the same to rounding. Models that read no layouts, and prompts of one token, run rows of their own.
    """
    if all(len(example.prompt) > 1 for example in examples) and model.body.packs:
        return _behind_prompts(model, examples, device)
    rows = [(example.prompt, response) for example in examples for response in example.responses]
    ids, mask = (x.to(device) for x in right_pad([[*prompt, *response] for prompt, response in rows]))
    starts = torch.tensor([max(1, len(prompt)) for prompt, _ in rows], device=device)
    learned = mask & (torch.arange(ids.shape[1], device=device) >= starts.unsqueeze(1))  # (N, T)
    hidden = model.hidden(ids, mask, read=learned.roll(-1, dims=1))  # (N, D): the places before
    return _summed(model, hidden, ids, learned)


def _behind_prompts(model: LanguageModel, examples: Sequence[RankedExample], device: torch.device) -> Tensor:
    """The same with the prompt shared, all but its last token: that one stands first in every response."""
    most = max(len(example.responses) for example in examples)
    rows = [
        [example.prompt[-1], *example.responses[k]] if k < len(example.responses) else []
        for example in examples
        for k in range(most)
    ]
    prompts = right_pad([example.prompt[:-1] for example in examples])
    ids, mask = (x.to(device) for x in right_pad(rows))
    learned = mask.clone()
    learned[:, 0] = False  # the prompt's last token
    prompt_ids, prompt_mask = (x.to(device) for x in prompts)
    read = learned.roll(-1, dims=1)
    hidden = model.hidden_groups((prompt_ids, prompt_mask), (ids, mask), read)
    return _summed(model, hidden, ids, learned)[mask.any(dim=1)]


def _summed(model: LanguageModel, hidden: Tensor, ids: Tensor, learned: Tensor) -> Tensor:
    """Sum over each row (N, T) the log-probability of its learned tokens, hidden being the places before."""
    found = response_logprobs(model.logits(hidden), ids[:, 1:][learned[:, 1:]])
    dense = torch.zeros(ids[:, 1:].shape, device=ids.device).masked_scatter(learned[:, 1:], found)
    return dense.sum(dim=1)


@torch.no_grad()
def reference_logprobs(
    reference: LanguageModel, examples: Sequence[RankedExample], config: DpoConfig, run: Run
) -> list[Tensor]:
    """Compute the reference's log-probability of every response, by example: each (K,) float, nats."""
    found: dict[int, Tensor] = {}
    groups = microbatches([example.tokens() for example in examples], config.dpo.microbatch_tokens)
    for group, _ in share(groups) if groups else []:
        run.progress("asking the reference", len(found), len(examples), "rankings")
        with run.autocast():
            sums = sequence_logprobs(reference, [examples[i] for i in group], run.device)
        each = torch.split(sums.cpu(), [len(examples[i].responses) for i in group])
        found |= dict(zip(group, each, strict=True))
    merged = {place: x for part in gathered(found) for place, x in part.items()}
    return [merged[i] for i in range(len(examples))]


def implicit_rewards(
    model: LanguageModel,
    examples: Sequence[RankedExample],
    anchors: Sequence[Tensor],
    config: DpoConfig,
    run: Run,
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute beta times the log-ratio of every response.

    returns  rewards (B, K) float, ranks (B, K) int, slot_mask (B, K) bool, True = a response stands here
    """
    with run.autocast():
        sums = sequence_logprobs(model, examples, run.device)
    flat = config.dpo.beta * (sums - torch.cat(list(anchors)).to(run.device))
    most = max(len(example.responses) for example in examples)
    slot_mask = torch.tensor([[k < len(e.responses) for k in range(most)] for e in examples])
    ranks = torch.tensor([[*e.ranks, *[0] * (most - len(e.ranks))] for e in examples])
    slot_mask, ranks = slot_mask.to(run.device), ranks.to(run.device)
    return torch.zeros(slot_mask.shape, device=run.device).masked_scatter(slot_mask, flat), ranks, slot_mask


def backward(
    model: LanguageModel,
    minibatch: Sequence[RankedExample],
    anchors: Sequence[Tensor],
    config: DpoConfig,
    run: Run,
) -> dict[str, float]:
    """Add the gradient of the mean loss over the rankings of a minibatch; returns the step's metrics."""
    loss_sum, began, counts = 0.0, time.monotonic(), PairCounts()
    groups = microbatches([example.tokens() for example in minibatch], config.dpo.microbatch_tokens)
    for group, weight in share(groups):
        part = [minibatch[i] for i in group]
        rewards, ranks, slot_mask = implicit_rewards(model, part, [anchors[i] for i in group], config, run)
        loss = ranking_loss(rewards, ranks, slot_mask)
        torch.autograd.backward(loss * (weight * len(part) / len(minibatch)))
        if weight:
            loss_sum += float(loss.detach()) * len(part)
            counts.add(rewards.detach(), ranks, slot_mask, part)
    counts = PairCounts.merged(gathered(counts))
    read = sum(len(e.prompt) * len(e.responses) + sum(map(len, e.responses)) for e in minibatch)
    return {
        "loss/dpo": summed({"loss": loss_sum})["loss"] / len(minibatch),
        "reward/accuracy": counts.accuracy(),
        "reward/margin": counts.margin(),
        "speed/tokens_per_second": read / (time.monotonic() - began),
    }


@torch.no_grad()
def measure(
    model: LanguageModel,
    examples: Sequence[RankedExample],
    anchors: Sequence[Tensor],
    config: DpoConfig,
    run: Run,
) -> dict[str, float]:
    """Compute loss and accuracy of the implicit rewards over held-out rankings."""
    loss_sum, counts = 0.0, PairCounts()
    groups = microbatches([example.tokens() for example in examples], config.dpo.microbatch_tokens)
    for group, weight in share(groups):
        part = [examples[i] for i in group]
        rewards, ranks, slot_mask = implicit_rewards(model, part, [anchors[i] for i in group], config, run)
        if weight:
            loss_sum += float(ranking_loss(rewards, ranks, slot_mask)) * len(part)
            counts.add(rewards, ranks, slot_mask, part)
    counts = PairCounts.merged(gathered(counts))
    loss = summed({"loss": loss_sum})["loss"] / len(examples)
    return {"valid/dpo_loss": loss, **accuracy_metrics(counts)}
