"""How much does it save to read a prompt once for its K responses, and a response once for its K - 1 pairs?

Arms, on the same random weights and rankings (GPT-2 shape, 6 layers, width 256, prompt 128, responses 64,
float32):

    pairs     every pair of a ranking as two rows of prompt and response, K (K - 1) rows
    separate  every response as a row of prompt and response, K rows
    shared    the prompt once, its K responses attending to its keys and values: the product's default
"""

import gc
import itertools
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import GPT2Config, GPT2Model

from training.rlhf.batching import right_pad
from training.rlhf.losses import ranking_loss
from training.rlhf.model import RewardModel

PROMPT, RESPONSE, RANKINGS, VOCABULARY = 128, 64, 2, 4096
WARM_UP = 1
Ranking = tuple[list[int], list[list[int]]]


def measure(*, repeats: int) -> dict[str, Any]:
    """Gate, then time the arms for K = 4 and K = 9; CPU seconds per ranking, forward and backward."""
    torch.set_num_threads(1)
    return {
        "torch": torch.__version__,
        "machine": platform.processor() or platform.machine(),
        "prompt_tokens": PROMPT,
        "response_tokens": RESPONSE,
        "by_k": [_measure_k(k, repeats) for k in (4, 9)],
    }


def _measure_k(k: int, repeats: int) -> dict[str, Any]:
    model, rankings = _model(), _rankings(k)
    arms: dict[str, Callable[[], Tensor]] = {
        "pairs": lambda: _pairs_loss(model, rankings),
        "separate": lambda: _ranking_loss(model, rankings, share_prompt=False),
        "shared": lambda: _ranking_loss(model, rankings, share_prompt=True),
    }
    gate = _prove_equal(model, arms)
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    for repeat in range(repeats + WARM_UP):
        for name, arm in arms.items():
            spent = _cpu_seconds(model, arm)
            if repeat >= WARM_UP:
                seconds[name].append(spent / RANKINGS)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return {
        "k": k,
        "gate": gate,
        "tokens_per_ranking": {
            "pairs": k * (k - 1) * (PROMPT + RESPONSE),
            "separate": k * (PROMPT + RESPONSE),
            "shared": PROMPT + k * RESPONSE,
        },
        "cpu_seconds_per_ranking": {
            name: {"median": round(medians[name], 4), "min": round(min(v), 4), "max": round(max(v), 4)}
            for name, v in seconds.items()
        },
        "shared_is_faster_than": {
            name: round(medians[name] / medians["shared"], 2) for name in ("pairs", "separate")
        },
    }


def _model() -> RewardModel:
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=VOCABULARY, n_positions=512, n_embd=256, n_layer=6, n_head=4,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return RewardModel(GPT2Model(config)).eval()


def _rankings(k: int) -> list[Ranking]:
    """Make rankings of random tokens; the responses stand best first."""
    source = torch.Generator().manual_seed(1)

    def text(length: int) -> list[int]:
        return torch.randint(1, VOCABULARY, (length,), generator=source).tolist()

    return [(text(PROMPT), [text(RESPONSE) for _ in range(k)]) for _ in range(RANKINGS)]


def _ranking_loss(model: RewardModel, rankings: Sequence[Ranking], *, share_prompt: bool) -> Tensor:
    flat = model.score_groups([p for p, _ in rankings], [g for _, g in rankings], share_prompt=share_prompt)
    scores = flat.view(len(rankings), -1)
    ranks = torch.arange(1, scores.shape[1] + 1).expand_as(scores)
    return ranking_loss(scores, ranks, torch.ones_like(ranks, dtype=torch.bool))


def _pairs_loss(model: RewardModel, rankings: Sequence[Ranking]) -> Tensor:
    rows = [
        [*prompt, *response]
        for prompt, responses in rankings
        for pair in itertools.combinations(responses, 2)
        for response in pair
    ]
    scores = model.scores(*right_pad(rows)).view(-1, 2)
    return -F.logsigmoid(scores[:, 0] - scores[:, 1]).mean()


def _prove_equal(model: RewardModel, arms: dict[str, Callable[[], Tensor]]) -> dict[str, float]:
    """Compare loss and gradient of every arm with those of separate rows, or raise RuntimeError."""
    losses, gradients = {}, {}
    for name, arm in arms.items():
        model.zero_grad(set_to_none=True)
        loss = arm()
        torch.autograd.backward(loss)
        losses[name] = float(loss.detach())
        gradients[name] = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    truth = gradients["separate"]
    worst_loss = max(abs(loss - losses["separate"]) for loss in losses.values())
    worst_gradient = max(float((g - truth).norm() / truth.norm()) for g in gradients.values())
    if worst_loss > 1e-5 or worst_gradient > 1e-4:
        raise RuntimeError(f"the arms differ: loss by {worst_loss:.1e}, gradient by {worst_gradient:.1e}")
    return {"largest_loss_difference": worst_loss, "largest_relative_gradient_difference": worst_gradient}


def _cpu_seconds(model: RewardModel, arm: Callable[[], Tensor]) -> float:
    model.zero_grad(set_to_none=True)
    gc.collect()
    began = time.process_time()
    torch.autograd.backward(arm())
    return time.process_time() - began
