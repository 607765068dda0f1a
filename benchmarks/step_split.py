"""Where the time of a step goes, on a CPU or a GPU, and how far from the floor each part is.

    make bench ARGS="step_split --device cuda --shape 410m --architecture llama --dtype bfloat16"

For SFT (documents of 32 to 256 tokens), a reward model (rankings of nine), sampling (prompts of 128 tokens,
responses of 64) and an update of PPO (the row `ppo_fixed`): seconds of each part and tokens a second. `mfu`
is the share of the device's rate that the operations take that `floor.py` counts. The rate is that of one
large product of matrices in this precision, measured in the same run. On a GPU every part is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks import floor, ppo_arms, reward_arms, rollout_arms, sft_arms, shapes
from benchmarks.arms import circumstances
from training.rlhf.generation import generate, row_uniforms
from training.rlhf.losses import ranking_loss
from training.rlhf.model import LanguageModel
from training.rlhf.precision import set_float32_products
from training.rlhf.sft import Example, token_loss_sum

LARGE = {"cpu": 1024, "cuda": 8192}
K, RANKINGS, DOCUMENTS = 9, 4, 32
PROMPT, RESPONSE, EPISODES = rollout_arms.PROMPT, rollout_arms.NEW, rollout_arms.ROWS


class Parts:
    """Seconds of the named parts of a step: CPU seconds of one thread, on a GPU seconds until it is done."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds = device, dict[str, float]()
        self._last = 0.0

    def begin(self) -> None:
        """Start to count."""
        self._last = self._now()

    def mark(self, part: str) -> None:
        """Put the time since the last mark down to a part."""
        now = self._now()
        self.seconds[part] = self.seconds.get(part, 0.0) + now - self._last
        self._last = now

    def _now(self) -> float:
        if self.device.type == "cpu":
            return time.process_time()
        torch.cuda.synchronize(self.device)
        return time.perf_counter()


class Counted(NamedTuple):
    """What a step read, and the operations that takes at the least."""

    tokens: int
    operations: float


Step = Callable[[Parts], Counted]


def measure(*, repeats: int, shape: str, architecture: str, device: str, dtype: str) -> dict[str, Any]:
    """Measure the three kinds of step; the first of each warms up and is left out."""
    about = circumstances()
    torch.set_num_threads(1)
    place, precision = torch.device(device), getattr(torch, dtype)
    set_float32_products(place)
    rate = product_rate(place, precision)
    given = (shape, architecture, place, precision)
    return {
        "benchmark": "step_split",
        **about,
        "device": torch.cuda.get_device_name(place) if device == "cuda" else "cpu",
        "shape": shape,
        "architecture": architecture,
        "dtype": dtype,
        "repeats": repeats,
        "operations_per_second": rate,
        "steps": {name: timed(make(*given), place, repeats, rate) for name, make in STEPS.items()},
        "peak_mib": round(torch.cuda.max_memory_allocated(place) / 2**20, 1) if device == "cuda" else None,
    }


def timed(step: Step, device: torch.device, repeats: int, rate: float) -> dict[str, Any]:
    """Average a step over its repetitions."""
    parts = Parts(device)
    step(parts)
    parts.seconds.clear()
    for _ in range(repeats):
        counted = step(parts)
    seconds = {name: spent / repeats for name, spent in parts.seconds.items()}
    whole = sum(seconds.values())
    return {
        "seconds": {name: round(spent, 5) for name, spent in seconds.items()},
        "share": {name: round(spent / whole, 3) for name, spent in seconds.items()},
        "tokens_per_second": round(counted.tokens / whole, 1),
        "gigaflop": round(counted.operations / 1e9, 3),
        "mfu": round(counted.operations / whole / rate, 3),
    }


def product_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Operations a second of one large product of matrices, the best of five."""
    size = LARGE[device.type]
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    seconds = []
    for _ in range(5):
        parts = Parts(device)
        parts.begin()
        _ = a @ b
        parts.mark("product")
        seconds.append(parts.seconds["product"])
    return float(2 * size**3 / min(seconds))


def training(
    model: torch.nn.Module, loss: Callable[[], Tensor], dtype: torch.dtype, counted: Counted
) -> Step:
    """Make a step of forward, backward, and clipping with AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)

    def step(parts: Parts) -> Counted:
        parts.begin()
        with torch.autocast(parts.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            found = loss()
        parts.mark("forward")
        torch.autograd.backward(found)
        parts.mark("backward")
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        parts.mark("optimizer")
        return counted

    return step


def sft(shape: str, architecture: str, device: torch.device, dtype: torch.dtype) -> Step:
    """A step of SFT on documents of unequal length."""
    model = LanguageModel(shapes.causal(shape, architecture).to(device))
    rows = sft_arms.documents(DOCUMENTS, 1)
    lengths = [len(row) for row in rows]
    supervised = sum(lengths) - len(rows)

    def loss() -> Tensor:
        found, _ = token_loss_sum(model, [Example(row, 1) for row in rows], device)
        return found / supervised

    once = floor.Counted(shape, architecture).forward(lengths, outputs=supervised)
    return training(model, loss, dtype, Counted(sum(lengths), floor.PASSES["both"] * once))


def reward(shape: str, architecture: str, device: torch.device, dtype: torch.dtype) -> Step:
    """A step of the reward model on rankings of K responses."""
    model = shapes.reward_model(shapes.scorer(shape, architecture)).to(device)
    rankings = reward_arms.rankings(RANKINGS, K, PROMPT, RESPONSE)
    ranks = torch.arange(1, K + 1, device=device).expand(RANKINGS, K)

    def loss() -> Tensor:
        flat = model.score_groups([p for p, _ in rankings], [g for _, g in rankings], share_prompt=True)
        return ranking_loss(flat.view(RANKINGS, K), ranks, torch.ones_like(ranks, dtype=torch.bool))

    tokens = RANKINGS * (PROMPT + K * RESPONSE)
    one = floor.ranking(floor.Counted(shape, architecture), k=K).ours
    return training(model, loss, dtype, Counted(tokens, RANKINGS * one))


def sampling(shape: str, architecture: str, device: torch.device, dtype: torch.dtype) -> Step:
    """Sampling for PPO: the prompts in one pass, then token by token, no end token drawn."""
    model = LanguageModel(shapes.causal(shape, architecture).to(device))
    source = torch.Generator().manual_seed(1)
    prompts = [shapes.random_ids(PROMPT, source) for _ in range(EPISODES)]
    outputs = EPISODES * RESPONSE
    operations = outputs * floor.new_token(floor.Counted(shape, architecture), n=1).ours

    def step(parts: Parts) -> Counted:
        before = parts.seconds.get("prompts", 0.0)
        parts.begin()
        with torch.autocast(parts.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16):
            for part, room in (("prompts", 1), ("one token after the other", RESPONSE)):
                uniforms = row_uniforms(EPISODES, room, 0)
                generate(model, prompts, n=1, max_tokens=room, eos_id=-1, temperature=1.0, uniforms=uniforms)
                parts.mark(part)
        parts.seconds["one token after the other"] -= parts.seconds["prompts"] - before  # read once more
        return Counted(outputs, operations)

    return step


def ppo(shape: str, architecture: str, device: torch.device, dtype: torch.dtype) -> Step:
    """An update of PPO as the row `ppo_fixed` takes it."""
    bf16 = dtype == torch.bfloat16
    arm = ppo_arms.Ours(early=False, bf16=bf16, shape=shape, architecture=architecture, device=str(device))
    episodes, number = ppo_arms.EPISODES, iter(range(1, 1 << 20))
    operations = episodes * floor.episode(floor.Counted(shape, architecture), early=False).ours

    def step(parts: Parts) -> Counted:
        parts.begin()
        arm.update(next(number), parts.mark)
        return Counted(episodes * (ppo_arms.PROMPT + ppo_arms.RESPONSE), operations)

    return step


STEPS = {"sft": sft, "reward": reward, "sampling": sampling, "ppo": ppo}
