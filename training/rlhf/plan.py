"""Plan a PPO run: memory of one GPU by part, and the time of an iteration, counted from the sizes.

    python -m training.rlhf.plan --policy 7 --reward 7 --gpus 16

Weights, gradients and Adam's two moments are float32 (16 bytes a trained parameter, 4 more with EMA), as this
core keeps them; fsdp shares all of it over the GPUs, ddp repeats it. While it samples, every GPU holds the
whole policy and the copy in bfloat16 that it decodes with. Keys, values and activations are bfloat16. Time is
operations over what a GPU reaches (--mfu) and, for decoding, weights over its memory bandwidth. An estimate
to choose machines by, not a promise; docs/scaling.md says what was left out.
"""

from __future__ import annotations

import argparse
import math
import sys
from dataclasses import dataclass

GIB = 2**30


@dataclass(frozen=True)
class Shape:
    """A decoder-only transformer, as wide and deep as models of its size are."""

    billions: float

    @property
    def parameters(self) -> float:
        return self.billions * 1e9

    @property
    def layers(self) -> int:
        wanted = 32 * float((self.billions / 7) ** 0.4)
        return min((12, 24, 32, 40, 80), key=lambda layers: abs(layers - wanted))

    @property
    def width(self) -> int:
        return round(math.sqrt(self.parameters / (12 * self.layers)) / 128) * 128


@dataclass(frozen=True)
class Job:
    """One PPO run on some GPUs. Sizes as in the config; memory in GiB, bandwidth in TB/s, peak in TFLOP/s."""

    policy: Shape
    reward: Shape
    gpus: int = 16
    parallel: str = "fsdp"
    ema: bool = True
    prompt: int = 512
    response: int = 512
    rollout: int = 512
    sampling_rows: int = 512
    minibatch: int = 64
    microbatch: int = 4
    ptx_per_episode: float = 0.0
    ptx_tokens: int = 2048
    iterations: int = 512
    vocabulary: int = 32000
    memory: float = 80.0
    bandwidth: float = 3.35
    peak: float = 989.0
    mfu: float = 0.4

    @property
    def shares(self) -> int:
        """Over how many GPUs a weight is shared."""
        return self.gpus if self.parallel == "fsdp" else 1

    def memory_by_part(self) -> dict[str, float]:
        """Count the GiB of one GPU by part."""
        policy, reward = self.policy.parameters, self.reward.parameters
        tokens = self.microbatch * (self.prompt + self.response)
        rows = min(-(-self.rollout // self.gpus), self.sampling_rows)
        held = 2 if self.gpus == 1 else 1  # one process keeps a scoring pass of policy and value model
        deep = max(self.policy, self.reward, key=lambda shape: shape.parameters)
        return {
            "policy: weights, gradients, Adam": 16 * policy / self.shares / GIB,
            "policy: averaged weights": (4 * policy / self.shares / GIB) if self.ema else 0.0,
            "value model: weights, gradients, Adam": 16 * reward / self.shares / GIB,
            "reference (frozen)": 4 * policy / self.shares / GIB,
            "reward model (frozen)": 4 * reward / self.shares / GIB,
            "whole policy while sampling": (4 * policy / GIB) if self.shares > 1 else 0.0,
            "its bfloat16 copy while sampling": 2 * policy / GIB,
            "keys and values while sampling": 2
            * 2
            * self.policy.layers
            * self.policy.width
            * rows
            * (self.prompt + self.response)
            / GIB,
            "activations of a microbatch": held * 34 * deep.width * deep.layers * tokens / GIB,
            "logits of a microbatch": 3 * 4 * self.microbatch * self.response * self.vocabulary / GIB,
        }

    def peak_memory(self) -> float:
        """Return the most that is there at once: sampling and updating never are."""
        parts = self.memory_by_part()
        sampling = sum(size for name, size in parts.items() if "sampling" in name)
        updating = parts["activations of a microbatch"] + parts["logits of a microbatch"]
        temporary = [name for name in parts if "sampling" in name or "microbatch" in name]
        return sum(size for name, size in parts.items() if name not in temporary) + max(sampling, updating)

    def seconds_by_part(self) -> dict[str, float]:
        """Estimate the seconds of an iteration by part."""
        tokens = self.rollout * (self.prompt + self.response)
        speed = self.gpus * self.peak * 1e12 * self.mfu
        policy, reward = self.policy.parameters, self.reward.parameters
        turns = -(-self.rollout // (self.gpus * self.sampling_rows))  # of decoding so many rows at once
        decoding = turns * self.response * 2 * policy / (self.bandwidth * 1e12)
        ptx = self.rollout * self.ptx_per_episode * self.ptx_tokens
        return {
            "sampling: prompts": 2 * policy * self.rollout * self.prompt / speed,
            "sampling: one token after the other": decoding,
            "scoring under four models": 2 * tokens * 2 * (policy + reward) / speed,
            "updating the policy": 6 * policy * tokens / speed,
            "updating the value model": 6 * reward * tokens / speed,
            "pretraining term": 6 * policy * ptx / speed,
        }


def table(job: Job) -> str:
    """Write the plan as two tables of Markdown and a verdict."""
    memory, seconds = job.memory_by_part(), job.seconds_by_part()
    whole, least = job.peak_memory(), sum(seconds.values())
    lines = ["| memory of one GPU | GiB |", "|---|---|"]
    lines += [f"| {name} | {size:.1f} |" for name, size in memory.items() if size]
    lines += [f"| **most at once** | **{whole:.1f}** of {job.memory:.0f} |", ""]
    lines += ["| time of an iteration | seconds |", "|---|---|"]
    lines += [f"| {name} | {time:.1f} |" for name, time in seconds.items() if time]
    lines += [
        f"| **all** | **{least:.1f}**; {job.iterations} iterations: {least * job.iterations / 3600:.1f} h |"
    ]
    fits = whole < 0.9 * job.memory
    verdict = "It fits." if fits else "It does not fit; 10 % stay free for fragments and the runtime."
    return "\n".join([*lines, "", f"{job.gpus} GPUs, {job.parallel}. {verdict}"])


def main(arguments: list[str] | None = None) -> int:
    """Print the plan; exit status 1 if it does not fit."""
    parser = argparse.ArgumentParser(prog="python -m training.rlhf.plan", description="Plan a PPO run.")
    parser.add_argument("--policy", type=float, default=7, help="billions of parameters")
    parser.add_argument("--reward", type=float, default=7, help="billions, and the value model's")
    parser.add_argument("--no-ema", dest="ema", action="store_false", help="without averaged weights")
    parser.add_argument("--parallel", choices=("ddp", "fsdp"), default="fsdp")
    whole = ("gpus", "prompt", "response", "rollout", "minibatch", "microbatch", "iterations", "vocabulary")
    for name in (*whole, "sampling_rows", "ptx_tokens"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, default=getattr(Job, name))
    for name in ("ptx_per_episode", "memory", "bandwidth", "peak", "mfu"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, default=getattr(Job, name))
    given = vars(parser.parse_args(arguments))
    job = Job(**{**given, "policy": Shape(given["policy"]), "reward": Shape(given["reward"])})
    sys.stdout.write(table(job) + "\n")
    return int(job.peak_memory() >= 0.9 * job.memory)


if __name__ == "__main__":
    sys.exit(main())
