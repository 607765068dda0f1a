"""The settings of the stages that optimise a policy for what people prefer: PPO, and DPO beside it.

Paper values are from Ouyang et al. 2022 (arXiv 2203.02155), which has no DPO; see `stage_configs.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from training.rlhf.schema import section, setting
from training.rlhf.sections import Lengths, Optim, Report, TrainingConfig


@dataclass(frozen=True)
class PpoInputs:
    """What PPO reads."""

    policy: str = setting(
        "inputs/policy",
        "Policy to start from: the SFT model.",
        paper="2-epoch SFT model with pretraining mix (C.3)",
    )
    reference: str | None = setting(
        None, "Frozen reference policy of the KL penalty; without it the start policy is."
    )
    reward: str = setting("inputs/reward", "Reward model; it must carry its bias.", paper="6B (C.2)")
    prompts: str = setting(
        "inputs/prompts", "Dataset with prompts (kind ppo_prompts); its train split is sampled."
    )
    pretrain: str | None = setting(None, "Dataset of kind pretrain, for ptx_coef.")
    gold: str | None = setting(
        None, "Reward model that judges valid responses and teaches nothing; shows over-optimisation."
    )


@dataclass(frozen=True)
class Ppo:
    """PPO, and PPO-ptx when ptx_coef is above 0."""

    iterations: int = setting(
        512, "Rollouts, each followed by its updates.", at_least=1, paper="512 (256k episodes, C.4)"
    )
    rollout_batch_size: int = setting(512, "Episodes of one iteration.", at_least=1, paper="512 (C.4)")
    minibatch_size: int = setting(64, "Episodes in one optimizer step.", at_least=1, paper="64 (C.4)")
    microbatch_size: int = setting(
        64, "Episodes in one forward pass; a divisor of minibatch_size.", at_least=1
    )
    microbatch_tokens: int = setting(
        16384, "Most tokens in one forward pass; microbatches above it are cut again.", at_least=1
    )
    sampling_rows: int = setting(512, "Responses decoded at once; it changes no sample.", at_least=1)
    inner_epochs: int = setting(1, "Passes over each rollout.", at_least=1, paper="1 (C.4)")
    temperature: float = setting(
        1.0, "Sampling temperature, applied to every log-probability.", at_least=0.01, paper="1 (C.4)"
    )
    sampler: str = setting(
        "own", "What writes the responses; vllm needs a GPU and vllm installed.", choices=("own", "vllm")
    )
    sampler_dtype: str = setting(
        "same", "Precision of our own sampler: the run's, or bfloat16.", choices=("same", "bfloat16")
    )
    kept_microbatches: int = setting(
        1,
        "Microbatches at the start of a rollout whose scoring pass is kept for the first step in place of a "
        "second one; each costs the memory of its activations in policy and value model.",
        at_least=0,
    )
    sampler_weight_cap: float = setting(
        2.0,
        "Most that a token may weigh where sampler and training disagree on its probability; 0 weighs none.",
        at_least=0,
    )
    kl_coef: float = setting(
        0.02, "Weight of the KL penalty against the reference, per token.", at_least=0, paper="0.02 (C.4)"
    )
    kl_target: float | None = setting(
        None,
        "KL per response, in nats, that kl_coef is steered to; without it kl_coef stays.",
        at_least=0.001,
        paper="none: fixed (C.4)",
    )
    kl_horizon: int = setting(
        10000, "Episodes over which kl_coef follows kl_target; rollout_batch_size or more.", at_least=1
    )
    estimator: str = setting(
        "gae",
        "Advantages from a value model (gae), or from a prompt's other responses (rloo).",
        choices=("gae", "rloo"),
        paper="value function (3.5)",
    )
    samples_per_prompt: int = setting(
        1, "Responses to each prompt of a rollout; rloo needs 2 or more.", at_least=1, paper="1 (C.4)"
    )
    clip: float = setting(0.2, "How far the probability ratio may move.", at_least=0, paper="0.2 (C.4)")
    value_clip: float = setting(
        0.2, "How far a value may move from the rollout's; 0 turns it off.", at_least=0
    )
    gamma: float = setting(
        1.0, "Discount from token to token.", at_least=0, at_most=1, paper="1, no discount (C.4)"
    )
    lam: float = setting(0.95, "Lambda of generalised advantage estimation.", at_least=0, at_most=1)
    whiten_advantages: bool = setting(
        True, "Give advantages mean 0 and variance 1 over the real tokens of a rollout."
    )
    missing_eos_score: float | None = setting(
        None, "Most that a response without an end token can score; without it the score stands."
    )
    value_learning_rate: float = setting(
        9e-6, "Learning rate of the value model, constant after warm-up.", at_least=0, paper="9e-6 (C.4)"
    )
    value_warmup_iterations: int = setting(
        0,
        "First iterations that train the value model only; the policy's warm-up begins after them.",
        at_least=0,
    )
    ema_decay: float = setting(
        0.0,
        "Decay per optimizer step of the averaged weights that are saved; 0 saves the last ones.",
        at_least=0,
        at_most=0.9999,
        paper="0.992 (C.4)",
    )
    ptx_coef: float = setting(
        0.0,
        "Weight of the pretraining loss (mean nats per token) in every step; 0 is plain PPO.",
        at_least=0,
        paper="27.8 for PPO-ptx; normalisation not printed (C.4)",
    )
    ptx_examples_per_episode: float = setting(
        8.0, "Pretraining sequences beside each episode.", at_least=0, paper="8 (C.4)"
    )
    ptx_sequence_tokens: int = setting(
        0,
        "Length of a pretraining sequence; 0 takes 2048, or the model's context where that is less.",
        at_least=0,
        paper="2048 (C)",
    )


@dataclass(frozen=True)
class PpoConfig(TrainingConfig):
    """Optimise a policy against a reward model."""

    stage: str = setting("ppo", "Which stage this file configures.", choices=("ppo",))
    inputs: PpoInputs = section(PpoInputs)
    lengths: Lengths = section(Lengths)
    optim: Optim = section(
        Optim,
        learning_rate=9e-6,
        eps=1e-5,
        schedule="constant",
        warmup_steps=80,
        paper={
            "learning_rate": "searched from 2.55e-6 to 2.55e-5 (E.9)",
            "schedule": "constant (C.4)",
            "warmup_steps": "10 iterations, 80 steps (C.4)",
            "warmup_start_fraction": "0.1 (C.4)",
        },
    )
    report: Report = section(Report)
    ppo: Ppo = section(Ppo)

    def problems(self) -> list[str]:
        ppo, found = self.ppo, super().problems()
        for small, large in (("minibatch_size", "rollout_batch_size"), ("microbatch_size", "minibatch_size")):
            if getattr(ppo, large) % getattr(ppo, small):
                found.append(
                    f"ppo.{small} {getattr(ppo, small)} does not divide ppo.{large} {getattr(ppo, large)}; "
                    f"choose a divisor such as {_divisor(getattr(ppo, large), getattr(ppo, small))}."
                )
        if ppo.rollout_batch_size % ppo.samples_per_prompt:
            found.append(
                f"ppo.samples_per_prompt {ppo.samples_per_prompt} does not divide ppo.rollout_batch_size "
                f"{ppo.rollout_batch_size}; choose a divisor such as "
                f"{_divisor(ppo.rollout_batch_size, ppo.samples_per_prompt)}."
            )
        if ppo.kl_target is not None and ppo.kl_horizon < ppo.rollout_batch_size:
            found.append(
                f"ppo.kl_horizon {ppo.kl_horizon} is below ppo.rollout_batch_size {ppo.rollout_batch_size}: "
                "ppo.kl_coef would change by more than a fifth an iteration and may fall below 0; allowed is "
                f"{ppo.rollout_batch_size} or more."
            )
        if ppo.sampler == "vllm" and self.processes > 1:
            found.append(
                f"ppo.sampler is vllm and processes is {self.processes}; vllm takes 1, own takes more."
            )
        if ppo.estimator == "rloo" and ppo.samples_per_prompt < 2:
            found.append("ppo.estimator is rloo but ppo.samples_per_prompt is 1; allowed is 2 or more.")
        if ppo.ptx_coef > 0 and self.inputs.pretrain is None:
            found.append("ppo.ptx_coef is above 0 but inputs.pretrain is missing; name a pretrain dataset.")
        return found


@dataclass(frozen=True)
class DpoInputs:
    """What DPO reads."""

    policy: str = setting("inputs/policy", "Policy to start from: the SFT model.")
    reference: str | None = setting(
        None, "Frozen reference policy of the log-ratios; without it the start policy is."
    )
    dataset: str = setting("inputs/dataset", "Dataset of kind comparisons: rankings.")


@dataclass(frozen=True)
class Dpo:
    """Direct preference optimisation: learn a policy from rankings, without reward model or sampling."""

    beta: float = setting(
        0.1, "Weight of staying near the reference; what ppo.kl_coef is to PPO.", at_least=1e-6
    )
    epochs: int = setting(1, "Passes over the rankings.", at_least=1)
    minibatch_size: int = setting(32, "Rankings in one optimizer step, each with all its pairs.", at_least=1)
    microbatch_tokens: int = setting(16384, "Most tokens, padding included, in one forward pass.", at_least=1)


@dataclass(frozen=True)
class DpoConfig(TrainingConfig):
    """Learn a policy from rankings directly: the alternative to a reward model and PPO."""

    stage: str = setting("dpo", "Which stage this file configures.", choices=("dpo",))
    inputs: DpoInputs = section(DpoInputs)
    lengths: Lengths = section(Lengths)
    optim: Optim = section(Optim, learning_rate=5e-7, warmup_steps=10)
    report: Report = section(Report)
    dpo: Dpo = section(Dpo)


def _divisor(number: int, near: int) -> int:
    return min((d for d in range(1, number + 1) if number % d == 0), key=lambda d: abs(d - near))
