"""The training core against what a user would pick instead: one function a row of docs/benchmarks.md.

Each row proves first that its arms do equal work, then times them in turn, one process an arm.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch

from benchmarks import reward_arms, rollout_arms
from benchmarks.arms import Arm, bar, circumstances, equal_work, in_turn
from benchmarks.floor import Floor, floor_of
from benchmarks.opponents import MissingOpponentError
from benchmarks.step_split import product_rate
from training.rlhf.precision import EMULATED, bfloat16_slowdown

Row = dict[str, Any]


def reward(*, k: int, repeats: int, **shape: Any) -> Row:
    """Rankings per CPU second: K responses of 64 tokens behind a prompt of 128, float32."""
    prompt, response = reward_arms.PROMPT, reward_arms.RESPONSE
    settings = {"k": k, "prompt": prompt, "response": response, "each": 2, **shape}
    arms = {
        "ours": Arm("benchmarks.reward_arms:Ours", settings),
        "trl": Arm("benchmarks.reward_arms:Trl", settings, "trl-1.16"),
        "own pairs": Arm("benchmarks.reward_arms:OwnPairs", settings),
    }
    further = {}
    if repeats >= 3:  # a short run leaves out what no bar asks for
        further = {
            "trl, same products": Arm("benchmarks.reward_arms:Trl", {**settings, "medium": True}, "trl-1.16"),
        }
    if further and has_bf16(shape):  # TRL's own default
        further |= {
            "ours, bf16": Arm("benchmarks.reward_arms:Ours", {**settings, "bf16": True}),
            "trl defaults": Arm("benchmarks.reward_arms:Trl", {**settings, "defaults": True}, "trl-1.16"),
        }
    try:
        gate = equal_work(arms, "trl")
        timed = in_turn({**arms, **further}, repeats)
    finally:
        _close({**arms, **further})
    least, plain = (6, 5) if k == 4 else (20, 15)
    forwarded = timed["ours"]["tokens_per_unit"]
    return {
        "unit": "rankings",
        "gate": gate,
        "arms": timed,
        "bars": [
            bar(f"TRL RewardTrainer, K = {k}, fp32", timed["ours"], timed["trl"], least),
            bar(f"own loop over all pairs, K = {k}, fp32", timed["ours"], timed["own pairs"], plain),
            {"what": "tokens forwarded per ranking", "bar": prompt + k * response, "measured": forwarded,
             "passed": forwarded == prompt + k * response},
        ],
        "beside": [
            bar(what, timed[ours], timed[theirs], least)
            for what, ours, theirs in (
                ("TRL with our float32 products", "ours", "trl, same products"),
                ("bf16, TRL's own defaults", "ours, bf16", "trl defaults"),
            )
            if theirs in timed
        ],
    }  # fmt: skip


def sft(*, bf16: bool, repeats: int, **shape: Any) -> Row:
    """Non-pad tokens per CPU second of one epoch over documents of 32 to 256 tokens, in the same steps."""
    settings = {"bf16": bf16, **shape}
    arms = {
        "ours": Arm("benchmarks.sft_arms:Ours", settings),
        "trl": Arm("benchmarks.sft_arms:Trl", settings, "trl-1.16"),
    }
    further = {}
    if repeats >= 3:
        further = {"ours, own order": Arm("benchmarks.sft_arms:Ours", {**settings, "own_order": True})}
    try:
        gate = equal_work(arms, "trl")
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "steps.pt")
            gate["steps"] = arms["trl"].ask("write_steps", path=path)["steps"]
            arms["ours"].ask("follow", path=path)
        timed = in_turn({**arms, **further}, repeats)
    finally:
        _close({**arms, **further})
    losses = [timed[name]["final_loss"] for name in ("ours", "trl")]
    apart = abs(losses[0] - losses[1]) / losses[1]
    least = 2.5 if bf16 else 2
    return {
        "unit": "non-pad tokens",
        "gate": gate,
        "arms": timed,
        "bars": [
            bar(f"TRL SFTTrainer, packed, {'bf16' if bf16 else 'fp32'}", timed["ours"], timed["trl"], least),
            {"what": "held-out loss after the same steps, relative difference", "bar": 0.02,
             "measured": round(apart, 4), "passed": apart <= 0.02},
        ],
        "beside": further and [
            bar("in the product's own order", timed["ours, own order"], timed["trl"], least)
        ],
    }  # fmt: skip


def rollouts(*, n: int, repeats: int, **shape: Any) -> Row:
    """New tokens per CPU second: 64 rows, prompts of 128 tokens, 64 new ones, n samples a prompt."""
    settings = {"n": n, **shape}
    precisions = ("fp32", "bf16") if has_bf16(shape) else ("fp32",)
    arms = {
        f"{name}, {precision}": Arm(
            f"benchmarks.rollout_arms:{kind}", {**settings, "bf16": precision == "bf16"}
        )
        for name, kind in (("ours", "Ours"), ("generate", "Library"))
        for precision in precisions
    }
    try:
        ours, theirs = (arms[f"{name}, fp32"].ask("gate")["tokens"] for name in ("ours", "generate"))
        if ours != theirs:
            raise RuntimeError("greedy tokens differ from those of generate()")
        timed = in_turn(arms, repeats)
    finally:
        _close(arms)

    def best(name: str) -> Row:
        return max(
            (timed[f"{name}, {precision}"] for precision in precisions),
            key=lambda arm: arm["per_wall_second" if "gpu" in arm else "per_cpu_second"]["median"],
        )

    return {
        "unit": "new tokens",
        "gate": {"greedy_tokens_equal": True, "rows": rollout_arms.ROWS},
        "arms": timed,
        "bars": [
            bar(
                f"generate() at its best precision, n = {n}",
                best("ours"),
                best("generate"),
                2.5 if n == 1 else 4,
            )
        ],
        "beside": [bar("both fp32", timed["ours, fp32"], timed["generate, fp32"], 1)],
    }


def ppo(*, early: bool, repeats: int, bf16: bool = False, **shape: Any) -> Row:
    """Episodes per CPU second: 32 episodes an update, four epochs of one minibatch."""
    settings = {"early": early, "bf16": bf16, **shape}
    arms = {
        "ours": Arm("benchmarks.ppo_arms:Ours", settings),
        "trl": Arm("benchmarks.ppo_arms:Trl", settings, "trl-1.12"),
    }
    gated = {
        "ours": Arm("benchmarks.ppo_arms:Ours", {**settings, "early": False, "bf16": False}),
        "trl": Arm("benchmarks.ppo_arms:Trl", {**settings, "early": False, "bf16": False}, "trl-1.12"),
    }
    try:
        gate = equal_work(gated, "trl")
        _close(gated)
        timed = in_turn(arms, repeats)
    finally:
        _close({**arms, **{f"gated {name}": arm for name, arm in gated.items()}})
    share = timed["ours"]["peak_mib"] / timed["trl"]["peak_mib"]
    what = f"{'responses end at half the limit' if early else 'fixed length'}, {'bf16' if bf16 else 'fp32'}"
    return {
        "unit": "episodes",
        "gate": gate,
        "arms": timed,
        "bars": [
            bar(f"TRL 1.12 PPOTrainer, {what}", timed["ours"], timed["trl"], 3 if early else 2),
            {
                "what": "peak memory, share of TRL's",
                "bar": 0.5,
                "measured": round(share, 2),
                "passed": share <= 0.5,
            },
        ],
    }


def _close(arms: dict[str, Arm]) -> None:
    for arm in arms.values():
        arm.close()


ROWS: dict[str, tuple[Any, dict[str, Any]]] = {
    "reward_k4": (reward, {"k": 4}),
    "reward_k9": (reward, {"k": 9}),
    "sft_fp32": (sft, {"bf16": False}),
    "sft_bf16": (sft, {"bf16": True}),
    "ppo_fixed": (ppo, {"early": False}),
    "ppo_early": (ppo, {"early": True}),
    "ppo_fixed_bf16": (ppo, {"early": False, "bf16": True}),
    "ppo_early_bf16": (ppo, {"early": True, "bf16": True}),
    "rollouts_n1": (rollouts, {"n": 1}),
    "rollouts_n8": (rollouts, {"n": 8}),
}


def has_bf16(shape: Row) -> bool:
    """Whether the machine multiplies bfloat16; where it only emulates that, nobody would choose it."""
    return shape.get("device") == "cuda" or bfloat16_slowdown() <= EMULATED


def measure(name: str, *, repeats: int, **shape: Any) -> Row:
    """Measure one row; where it cannot be measured here the row says so and has not passed."""
    function, given = ROWS[name]
    if shape.get("device") == "cpu":
        del shape["device"]
    about = circumstances()
    torch.set_num_threads(1)
    try:
        if given.get("bf16") and not has_bf16(shape):
            raise MissingOpponentError(
                "not measured: this CPU emulates bfloat16, so nobody would train in it"
            )
        found = function(repeats=repeats, **given, **shape)
    except MissingOpponentError as missing:
        found = {"bars": [{"what": str(missing), "bar": None, "measured": None, "passed": False}]}
    device = torch.device(shape.get("device", "cpu"))
    counted = floor_of(name, shape.get("shape", "small"), shape.get("architecture", "gpt2"))
    for arm, timed in found.get("arms", {}).items():
        bf16 = given.get("bf16", arm.endswith(("bf16", "defaults")))
        timed |= utilisation(arm, timed, counted, product_rate(device, DTYPES[bf16]))
    return {"benchmark": name, **about, **shape, "repeats": repeats, **found}


DTYPES = {False: torch.float32, True: torch.bfloat16}


def utilisation(name: str, timed: Row, counted: Floor, rate: float) -> Row:
    """Say how many operations a unit of an arm's work takes, and its share of the device's rate."""
    each = counted.ours if name.startswith("ours") else counted.opponent
    done = timed["per_wall_second" if "gpu" in timed else "per_cpu_second"]["median"] * each
    return {"gigaflop_per_unit": round(each / 1e9, 4), "mfu": round(done / rate, 3)}
