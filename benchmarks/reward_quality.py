"""Does a reward model learn more from a ranking as one element than from the same pairs shuffled?

Ouyang et al. 2022, sec. 3.5, say that shuffled pairs overfit in one epoch: each response comes back in K - 1
steps. Arms, from the same weights, on the same rankings, one epoch, with equally many pairs and optimizer
steps; only the order differs:

    rankings  a ranking with all its pairs is one element of a step: the product
    pairs     all pairs of all rankings are shuffled

A response's gold score is the sum of hidden worths of its words; most words are worth nothing, as most of a
text says nothing about how good it is. Labelers rank by gold score plus Gumbel noise, which makes pairs
follow a logistic law, and agree with gold on about three pairs of four. Each arm takes the learning rate that
is best for it on valid rankings; what counts is its loss on test rankings.
"""

from __future__ import annotations

import statistics
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks import shapes
from benchmarks.arms import circumstances
from training.rlhf.batching import permutation
from training.rlhf.losses import ranking_loss
from training.rlhf.model import RewardModel
from training.rlhf.optim import learning_rate, make_optimizer, take_step
from training.rlhf.sections import Optim

K, PROMPT, RESPONSE, TELLING = 9, 8, 16, 64
TRAIN, HELD_OUT, PER_STEP = 256, 128, 4
RATES = (3e-4, 1e-3, 3e-3)
SEEDS = (1, 2, 3)
ARMS = ("rankings", "pairs")


class Rankings(NamedTuple):
    """Some rankings: prompts (N, P) int, responses (N, K, R) int, gold (N, K) float, ranks (N, K) int."""

    prompts: Tensor
    responses: Tensor
    gold: Tensor
    ranks: Tensor


def measure() -> dict[str, Any]:
    """Train both arms at each rate with each seed; the bar is a lower test loss with every seed."""
    about = circumstances()
    torch.set_num_threads(1)
    seeds = [_seed(seed) for seed in SEEDS]
    gains = [round(each["pairs"]["test_loss"] - each["rankings"]["test_loss"], 4) for each in seeds]
    return {
        "benchmark": "reward_quality",
        **about,
        "k": K,
        "rankings": TRAIN,
        "unit": "log-loss of a test pair, nats",
        "seeds": seeds,
        "bars": [
            {
                "what": "log-loss lower than with shuffled pairs, least of three seeds",
                "bar": 0,
                "measured": min(gains),
                "passed": min(gains) > 0,
            }
        ],
        "beside": [{"what": "mean", "measured": round(statistics.fmean(gains), 4)}],
    }


def _seed(seed: int) -> dict[str, Any]:
    train, valid, test = (made(count, seed, name) for name, count in
                          (("train", TRAIN), ("valid", HELD_OUT), ("test", HELD_OUT)))  # fmt: skip
    found: dict[str, Any] = {"seed": seed, "labelers_agree_with_gold": round(agreement(test), 3)}
    for arm in ARMS:
        by_rate = {}
        for rate in RATES:
            model = trained(train, arm, rate, seed)
            by_rate[rate] = {"valid_loss": loss_on(model, valid), "test_loss": loss_on(model, test)}
        best = min(RATES, key=lambda rate: by_rate[rate]["valid_loss"])
        found[arm] = {"rate": best, "test_loss": by_rate[best]["test_loss"], "by_rate": by_rate}
    return found


def made(count: int, seed: int, split: str) -> Rankings:
    """Make rankings of one seed's world: the worths are the same in every split."""
    worths = torch.zeros(shapes.VOCABULARY)
    world = torch.Generator().manual_seed(seed)
    worths[4 : 4 + TELLING] = torch.randn(TELLING, generator=world)
    source = torch.Generator().manual_seed(1000 * seed + ("train", "valid", "test").index(split))
    prompts = torch.randint(4, shapes.VOCABULARY, (count, PROMPT), generator=source)
    words = torch.randint(4, shapes.VOCABULARY, (count, K, RESPONSE), generator=source)
    telling = torch.randint(4, 4 + TELLING, words.shape, generator=source)
    responses = torch.where(torch.rand(words.shape, generator=source) < 0.2, telling, words)
    gold = worths[responses].sum(dim=2)
    gold = (gold - gold.mean()) / gold.std() * 1.3
    noise = -torch.log(-torch.log(torch.rand(gold.shape, generator=source).clamp(1e-6, 1 - 1e-6)))
    ranks = (gold + noise).argsort(dim=1, descending=True).argsort(dim=1) + 1
    return Rankings(prompts, responses, gold, ranks)


def agreement(given: Rankings) -> float:
    """Share of pairs that stand in gold's order."""
    better = given.ranks.unsqueeze(2) < given.ranks.unsqueeze(1)
    return float((given.gold.unsqueeze(2) > given.gold.unsqueeze(1))[better].float().mean())


def trained(train: Rankings, arm: str, rate: float, seed: int) -> RewardModel:
    """Train one epoch; a step has the pairs of PER_STEP rankings."""
    model: RewardModel = shapes.reward_model(shapes.scorer("tiny", "gpt2", seed))
    each = K * (K - 1) // 2
    pairs = torch.combinations(torch.arange(K))  # (36, 2)
    steps = TRAIN // PER_STEP
    settings = Optim(learning_rate=rate, schedule="cosine")
    optimizer = make_optimizer(model, settings)
    elements = permutation(TRAIN if arm == "rankings" else TRAIN * each, seed, arm)
    size = len(elements) // steps
    for step in range(steps):
        chosen = torch.tensor(elements[step * size : (step + 1) * size])
        if arm == "rankings":
            rows, slots = chosen, torch.arange(K).expand(len(chosen), K)
        else:
            rows, slots = chosen // each, pairs[chosen % each]
        scores = _scores(model, train.prompts[rows], train.responses[rows.unsqueeze(1), slots])
        loss = ranking_loss(scores, train.ranks[rows.unsqueeze(1), slots], torch.ones_like(slots).bool())
        torch.autograd.backward(loss)
        take_step(optimizer, model, learning_rate(settings, step, steps), settings.clip_norm)
    return model


@torch.no_grad()
def loss_on(model: RewardModel, given: Rankings) -> float:
    """Mean log-loss of the pairs of rankings."""
    scores = _scores(model, given.prompts, given.responses)
    loss = ranking_loss(scores, given.ranks, torch.ones_like(given.ranks).bool())
    return round(float(loss), 4)


def _scores(model: RewardModel, prompts: Tensor, responses: Tensor) -> Tensor:
    flat = model.score_groups(prompts.tolist(), responses.tolist(), share_prompt=True)
    return flat.view(responses.shape[:2])
