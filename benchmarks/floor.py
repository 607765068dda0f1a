"""The floor of a row: its operations counted, over the rate at which this machine multiplies such matrices.

    make bench ARGS="floor"

A weight takes 2 operations for a token forward and 4 more backward; weights outside the tables count, the
output layer where it is used, and attention to the tokens before. Ours leaves out what the loss does not
read: padding, the last token of a row, what follows attention in the last layer. What else a step does
(activations, norms, copies, softmax, optimizer) is left out, so that nothing can be faster than this.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from benchmarks import ppo_arms, reward_arms, rollout_arms, sft_arms, shapes
from benchmarks.arms import circumstances
from training.rlhf.narrowing import TOKENWISE
from training.rlhf.precision import EMULATED, bfloat16_slowdown

PASSES = {"forward": 1, "both": 3}  # a backward pass is two forward ones
ROWS_AT_ONCE = {"training": 760, "decoding": 64}  # tokens of a microbatch of PPO; rows that are decoded


class Floor(NamedTuple):
    """Operations of one unit of a row, ours and its opponent's, and bytes of cache that decoding reads."""

    ours: float
    opponent: float
    cache_bytes: float = 0.0


class Counted:
    """A model's shape, without weights, and what a pass over it takes."""

    def __init__(self, shape: str, architecture: str) -> None:
        with torch.device("meta"):
            trunk = shapes.causal(shape, architecture).base_model
        config = trunk.config.get_text_config()
        self.layers, self.width = config.num_hidden_layers, config.hidden_size
        self.vocabulary = config.vocab_size
        self.weights = shapes.parameters(trunk)
        last = dict(list(getattr(trunk, "h", None) or trunk.layers)[-1].named_modules())
        self.tokenwise = sum(x.numel() for name in TOKENWISE if name in last for x in last[name].parameters())

    def forward(self, lengths: Sequence[float], *, read: float | None = None, outputs: float = 0) -> float:
        """Operations of a forward pass over rows, where the last layer ends at `read` tokens only."""
        tokens, pairs = sum(lengths), sum(n * (n + 1) / 2 for n in lengths)
        spared = 0 if read is None else 2 * self.tokenwise * (tokens - read)
        attention = 4 * self.layers * self.width * pairs
        head = 2 * outputs * self.vocabulary * self.width
        return float(2 * self.weights * tokens + attention + head - spared)


def ranking(model: Counted, *, k: int) -> Floor:
    """A step on a ranking of K responses; the opponent reads all pairs."""
    prompt, response = reward_arms.PROMPT, reward_arms.RESPONSE
    rows = model.forward([prompt + response] * k, read=k)
    again = model.forward([prompt] * (k - 1), read=0)
    pairs = model.forward([prompt + response] * k * (k - 1))
    return Floor(PASSES["both"] * (rows - again), PASSES["both"] * pairs)


def document(model: Counted) -> Floor:
    """A token of SFT; the opponent's packed rows take the same."""
    lengths = [len(row) for row in sft_arms.documents(sft_arms.DOCUMENTS, 1)]
    once = model.forward(lengths, outputs=sum(lengths) - len(lengths)) / sum(lengths)
    return Floor(PASSES["both"] * once, PASSES["both"] * once)


def episode(model: Counted, *, early: bool) -> Floor:
    """An episode of PPO: prompt and decoding, four models' scores, the epochs of policy and value model.

    Ours takes the first forward pass of policy and value model from scoring where it is kept. The opponent
    keeps the log-probabilities of decoding, so that three models score; it decodes until the last row has
    ended, and reads padding, every last layer whole, and logits everywhere.
    """
    updates = range(1, ppo_arms.UPDATES + 1)
    ends = [end for number in updates for end in ppo_arms.ends(number, early=early)]
    prompt, limit, count = ppo_arms.PROMPT, ppo_arms.RESPONSE, len(ends)
    read, whole = sum(ends), [prompt + end for end in ends]
    policy = model.forward([n - 1 for n in whole], read=read, outputs=read)
    value = model.forward([n - 1 for n in whole], read=read)
    score = model.forward(whole, read=count)
    trained = PASSES["both"] * ppo_arms.EPOCHS * (policy + value)
    spared = (policy + value) * ppo_arms.KEPT * ppo_arms.MICROBATCH / ppo_arms.EPISODES
    ours = model.forward([n - 1 for n in whole], outputs=read) + 2 * policy + value + score + trained - spared
    full = prompt + limit
    logits = model.forward([full] * count, outputs=full * count)
    plain = model.forward([full] * count)
    written = model.forward([full - 1] * count, outputs=limit * count)
    theirs = written + logits + 2 * plain + PASSES["both"] * ppo_arms.EPOCHS * (logits + plain)
    return Floor(ours / count, theirs / count)


def new_token(model: Counted, *, n: int) -> Floor:
    """A new token: its share of the prompts, its own pass, the float32 keys and values that it reads."""
    prompt, new, rows = rollout_arms.PROMPT, rollout_arms.NEW, rollout_arms.ROWS
    whole = model.forward([prompt + new - 1] * rows, outputs=rows * new)
    again = model.forward([prompt] * (rows - rows // n))
    seen = (prompt / n + new / 2) * model.layers * 2 * model.width * 4
    return Floor((whole - again) / (rows * new), whole / (rows * new), seen)


COUNTS: dict[str, Any] = {
    "reward_k4": (ranking, {"k": 4}),
    "reward_k9": (ranking, {"k": 9}),
    "sft_fp32": (document, {}),
    "sft_bf16": (document, {}),
    "ppo_fixed": (episode, {"early": False}),
    "ppo_early": (episode, {"early": True}),
    "ppo_fixed_bf16": (episode, {"early": False}),
    "ppo_early_bf16": (episode, {"early": True}),
    "rollouts_n1": (new_token, {"n": 1}),
    "rollouts_n8": (new_token, {"n": 8}),
}


def floor_of(name: str, shape: str, architecture: str) -> Floor:
    """Count the operations of one unit of a row."""
    function, given = COUNTS[name]
    found: Floor = function(Counted(shape, architecture), **given)
    return found


def rate(tokens: int, model: Counted, flag: str, dtype: torch.dtype = torch.float32) -> float:
    """Operations a second of the products of one layer for so many tokens: one thread, the best of five."""
    width = model.width
    x = {n: torch.randn(tokens, n, dtype=dtype) for n in (width, 4 * width)}
    weights = [torch.randn(a * width, b * width, dtype=dtype) for a, b in ((1, 3), (1, 1), (1, 4), (4, 1))]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(flag)
    seconds = []
    try:
        for _ in range(5):
            began = time.process_time()
            for weight in weights:
                torch.mm(x[weight.shape[0]], weight)
            seconds.append(time.process_time() - began)
    finally:
        torch.set_float32_matmul_precision(before)
    return 2 * tokens * sum(w.numel() for w in weights) / min(seconds)


def measure(*, shape: str, architecture: str) -> dict[str, Any]:
    """Count every row, and measure this machine's rate at the shapes of training and of decoding."""
    torch.set_num_threads(1)
    model = Counted(shape, architecture)
    rates = {
        what: {name: rate(tokens, model, flag) for name, flag in (("MKL", "highest"), ("oneDNN", "medium"))}
        for what, tokens in ROWS_AT_ONCE.items()
    }
    emulated = bfloat16_slowdown() > EMULATED
    if not emulated:
        for what, tokens in ROWS_AT_ONCE.items():
            rates[what]["bf16"] = rate(tokens, model, "highest", torch.bfloat16)
    rows = {}
    for name in COUNTS:
        found = floor_of(name, shape, architecture)
        best = max(rates["training"][way] for way in ("MKL", "oneDNN"))
        if name.endswith("bf16"):
            best = rates["training"].get("bf16", best)
        rows[name] = {
            "gigaflop_per_unit": round(found.ours / 1e9, 4),
            "opponent_gigaflop_per_unit": round(found.opponent / 1e9, 4),
            "times_less": round(found.opponent / found.ours, 2),
            "cpu_seconds_per_unit_at_least": round(found.ours / best, 5),
            "cache_megabytes_read_per_unit": round(found.cache_bytes / 1e6, 3),
        }
    return {
        "benchmark": "floor",
        **circumstances(),
        "shape": shape,
        "architecture": architecture,
        "bf16_is_emulated": emulated,
        "gigaflop_per_second": {
            what: {name: round(x / 1e9, 1) for name, x in found.items()} for what, found in rates.items()
        },
        "rows": rows,
    }
