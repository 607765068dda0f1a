"""A problem whose best policy is known in closed form: PPO, RLOO and DPO must find that one.

Four tokens, responses of one or two of them, token 0 ends a response. Maximising the expected score less beta
times the KL to the reference has one optimum: p(y) proportional to p_ref(y) exp(score(y) / beta). The policy
is a table of next-token logits, which can be exactly that; rollouts, rewards, advantages, losses and steps
are the product's own.
"""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from training.rlhf import dpo, ppo, ppo_update
from training.rlhf.config import DpoConfig, PpoConfig, parse_config
from training.rlhf.masking import last_real, masked_whiten
from training.rlhf.optim import make_optimizer, take_step
from training.rlhf.reward import RankedExample
from training.rlhf.rollout import Models
from training.rlhf.runtime import Run

V, END, PROMPT, BETA, LENGTH = 5, 0, 4, 0.5, 2
RESPONSES = [y for n in (1, 2) for y in itertools.product(range(V - 1), repeat=n)]
RESPONSES = [y for y in RESPONSES if (y[-1] == END or len(y) == LENGTH) and END not in y[:-1]]


class TableDecoder:
    """Continues rows from their last token; the table needs to remember nothing."""

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def begin(self, ids: Tensor, mask: Tensor, n: int, room: int) -> Tensor:
        return self.step(ids[:, -1].repeat_interleave(n))

    def step(self, tokens: Tensor) -> Tensor:
        return self.table[tokens]

    def keep(self, alive: Tensor) -> Tensor:
        return alive.nonzero().squeeze(-1)


class Table(nn.Module):
    """A language model that looks at the last token only."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        logits = torch.randn(V, V, generator=torch.Generator().manual_seed(seed))
        logits[:, PROMPT] = -30.0  # never written
        self.table = nn.Parameter(logits)

    def hidden(self, ids: Tensor, mask: Tensor, *, read: Tensor) -> Tensor:
        return self.table[ids[read]]

    def logits(self, hidden: Tensor) -> Tensor:
        return hidden

    def decoder(self, dtype: torch.dtype) -> TableDecoder:
        return TableDecoder(self.table.detach())


class Judge(nn.Module):
    """Scores a response by its tokens, out of a fixed table."""

    def scores(self, ids: Tensor, mask: Tensor) -> Tensor:
        last = last_real(mask)
        written = [tuple(row[1 : n + 1]) for row, n in zip(ids.tolist(), last.tolist(), strict=True)]
        return torch.tensor([score(y) for y in written])


class Values(nn.Module):
    """A value for every token that may stand before."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(V))

    def values(self, ids: Tensor, mask: Tensor, *, read: Tensor) -> Tensor:
        return self.table[ids[read]]


def score(y: tuple[int, ...]) -> float:
    return {0: 0.0, 1: 1.0, 2: -1.0, 3: 0.5}[y[0]] + (0.7 if y[-1] == 3 else 0.0)


def probabilities(model: Table) -> Tensor:
    """The probability of every response, in the order of RESPONSES."""
    step = model.table.detach().double().log_softmax(dim=-1)
    logs = [[step[a, b] for a, b in itertools.pairwise((PROMPT, *y))] for y in RESPONSES]
    return torch.stack([torch.stack(each).sum() for each in logs]).exp()


def best(reference: Table) -> Tensor:
    scores = torch.tensor([score(y) for y in RESPONSES], dtype=torch.float64)
    weights = probabilities(reference) * (scores / BETA).exp()
    return weights / weights.sum()


def distance(policy: Table, reference: Table) -> float:
    """KL of the policy from the optimum, nats."""
    p, q = probabilities(policy), best(reference)
    return float((p * (p / q).log()).sum())


def objective(p: Tensor, reference: Table) -> float:
    scores = torch.tensor([score(y) for y in RESPONSES], dtype=torch.float64)
    return float((p * (scores - BETA * (p / probabilities(reference)).log())).sum())


def settings(**given: Any) -> PpoConfig:
    plain = {"rollout_batch_size": 512, "minibatch_size": 128, "microbatch_size": 128, "iterations": 120}
    config = parse_config(
        "ppo",
        {
            "lengths": {"max_prompt_tokens": 1, "max_response_tokens": LENGTH},
            "optim": {"learning_rate": 0.03, "schedule": "linear", "warmup_steps": 0, "final_fraction": 0.01},
            "ppo": {**plain, "kl_coef": BETA, "value_learning_rate": 0.05, **given},
        },
    )
    assert isinstance(config, PpoConfig)
    return config


@pytest.mark.parametrize(
    "given",
    [{"lam": 1.0}, {"estimator": "rloo", "samples_per_prompt": 4, "whiten_advantages": False}],
    ids=["ppo", "rloo"],
)
def test_rollouts_and_steps_lead_to_the_known_optimum(given: dict[str, Any], tmp_path: Path) -> None:
    config = settings(**given)
    run = Run(tmp_path, config)
    policy, reference = Table(0), Table(0)
    value = Values() if config.ppo.estimator == "gae" else None
    models: Any = Models(policy, reference, Judge(), value)  # type: ignore[arg-type]
    learner = ppo_update.make_learner(models, config)
    codec: Any = SimpleNamespace(eos_id=END)
    start = distance(policy, reference)
    assert start > 0.5
    for iteration in range(config.ppo.iterations):
        rollout = ppo.sample_rollout(models, codec, [[PROMPT]] * 512, config, run, "train", iteration)
        raw, returns = ppo.estimate_advantages(rollout, BETA, config)
        whitened = masked_whiten(raw, rollout.response_mask) if config.ppo.whiten_advantages else raw
        stats = ppo_update.update(learner, rollout, whitened, returns, None, config, run, iteration)
        assert stats["ppo/ratio_first"] == 0.0
    optimum = objective(best(reference), reference)
    assert optimum == pytest.approx(
        BETA * math.log(float((probabilities(reference) * _weights()).sum())), abs=1e-9
    )
    assert distance(policy, reference) < 0.01
    assert objective(probabilities(policy), reference) > optimum - 0.01


def _weights() -> Tensor:
    return (torch.tensor([score(y) for y in RESPONSES], dtype=torch.float64) / BETA).exp()


def test_preferences_lead_to_the_known_optimum(tmp_path: Path) -> None:
    """DPO on every pair, as often in each order as Bradley and Terry expect of those scores."""
    config = parse_config("dpo", {"dpo": {"beta": BETA}, "optim": {"learning_rate": 0.05}})
    assert isinstance(config, DpoConfig)
    run = Run(tmp_path, config)
    examples, often = [], 20
    for a, b in itertools.combinations(RESPONSES, 2):
        wins = round(often / (1 + math.exp(score(b) - score(a))))
        for ranks, times in (((1, 2), wins), ((2, 1), often - wins)):
            examples += [RankedExample([PROMPT], [list(a), list(b)], ranks, "", "")] * times
    policy: Any = Table(0)
    reference: Any = Table(0)
    anchors = dpo.reference_logprobs(reference, examples, config, run)
    optimizer = make_optimizer(policy, config.optim)
    for step in range(60):
        stats = dpo.backward(policy, examples, anchors, config, run)
        take_step(optimizer, policy, 0.1 * (1 - step / 60), 0.0)
        if step == 0:
            assert stats["loss/dpo"] == pytest.approx(math.log(2), abs=1e-6)
    assert distance(policy, reference) < 0.01
