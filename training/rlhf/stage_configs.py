"""Which settings each stage has. Read through `config.py`, which loads, checks and writes them.

Paper values are from Ouyang et al. 2022 (arXiv 2203.02155); the section stands in brackets. Sizes are counted
in sequences (rankings for the reward model): `rollout_batch_size` is sampled at once, `minibatch_size` is one
optimizer step, `microbatch_size` or `microbatch_tokens` is what one forward pass holds and never changes a
result beyond rounding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from training.rlhf.benchmark_configs import BenchmarkConfig
from training.rlhf.policy_configs import DpoConfig, PpoConfig
from training.rlhf.schema import section, setting
from training.rlhf.sections import Lengths, Optim, Report, SharedConfig, StageConfig, TrainingConfig


@dataclass(frozen=True)
class PretrainInputs:
    """What pretraining reads."""

    dataset: str = setting("inputs/dataset", "Dataset of kind pretrain: raw text.")


@dataclass(frozen=True)
class Pretrain:
    """A fresh tokenizer and a fresh small model, made from text. Not a stage of the paper."""

    shape: str = setting("llama", "Architecture of the new model.", choices=("llama", "gpt2"))
    vocab_size: int = setting(
        4096, "Entries of the byte-level BPE tokenizer, special tokens included.", at_least=260
    )
    layers: int = setting(4, "Transformer layers.", at_least=1)
    width: int = setting(256, "Width of a layer; a multiple of heads.", at_least=2)
    heads: int = setting(4, "Attention heads.", at_least=1)
    context: int = setting(512, "Longest sequence the model can read, in tokens.", at_least=8)
    steps: int = setting(500, "Optimizer steps.", at_least=1)
    minibatch_size: int = setting(32, "Sequences in one optimizer step.", at_least=1)
    sequence_tokens: int = setting(128, "Length of a packed training sequence, at most context.", at_least=8)


@dataclass(frozen=True)
class PretrainConfig(SharedConfig):
    """Make a tiny base model from text."""

    stage: str = setting("pretrain", "Which stage this file configures.", choices=("pretrain",))
    inputs: PretrainInputs = section(PretrainInputs)
    optim: Optim = section(Optim, learning_rate=2e-3, weight_decay=0.01, warmup_steps=30)
    report: Report = section(Report, log_every=10)
    pretrain: Pretrain = section(Pretrain)

    def problems(self) -> list[str]:
        found = []
        if self.pretrain.width % (2 * self.pretrain.heads):
            found.append(
                f"pretrain.width {self.pretrain.width} is not a multiple of twice pretrain.heads "
                f"{self.pretrain.heads}; choose such as {2 * self.pretrain.heads * 16}."
            )
        if self.pretrain.sequence_tokens > self.pretrain.context:
            found.append(
                f"pretrain.sequence_tokens {self.pretrain.sequence_tokens} is more than pretrain.context "
                f"{self.pretrain.context}; lower it."
            )
        return found


@dataclass(frozen=True)
class SftInputs:
    """What SFT reads."""

    policy: str = setting(
        "inputs/policy", "Base model: a folder, or a hub id where the hub may be reached.", paper="GPT-3"
    )
    dataset: str = setting("inputs/dataset", "Dataset of kind sft: demonstrations.")
    pretrain: str | None = setting(None, "Dataset of kind pretrain, for pretrain_fraction.")
    reward: str | None = setting(
        None,
        "Reward model that scores responses to the valid prompts after each epoch; the best epoch is kept.",
        paper="selection by reward-model score (C.1)",
    )


@dataclass(frozen=True)
class Sft:
    """Supervised fine-tuning on demonstrations."""

    epochs: int = setting(
        16, "Passes over the demonstrations.", at_least=1, paper="16; 2 for the PPO initialiser (C.1, C.3)"
    )
    minibatch_size: int = setting(32, "Demonstrations in one optimizer step.", at_least=1, paper="32 (C.1)")
    microbatch_tokens: int = setting(16384, "Most tokens, padding included, in one forward pass.", at_least=1)
    loss_on_prompt: bool = setting(False, "Train on the prompt's tokens as well as the response's.")
    dropout: float = setting(
        0.0, "Residual dropout while training.", at_least=0, at_most=0.9, paper="0.2 (C.1)"
    )
    pretrain_fraction: float = setting(
        0.0,
        "Share of pretraining sequences mixed into each step.",
        at_least=0,
        at_most=0.9,
        paper="0.1 for the PPO initialiser (C.3)",
    )


@dataclass(frozen=True)
class SftConfig(TrainingConfig):
    """Fine-tune a base model on demonstrations."""

    stage: str = setting("sft", "Which stage this file configures.", choices=("sft",))
    inputs: SftInputs = section(SftInputs)
    lengths: Lengths = section(Lengths)
    optim: Optim = section(
        Optim,
        learning_rate=9.65e-6,
        paper={
            "learning_rate": "9.65e-6 at 1.3B and 6B, 5.03e-6 at 175B (C.1)",
            "warmup_steps": "0 (C.1)",
            "schedule": "cosine (C.1)",
            "final_fraction": "0.1 (C.1)",
        },
    )
    report: Report = section(Report, log_every=5)
    sft: Sft = section(Sft)

    def problems(self) -> list[str]:
        found = super().problems()
        if self.sft.pretrain_fraction > 0 and self.inputs.pretrain is None:
            found.append(
                "sft.pretrain_fraction is above 0 but inputs.pretrain is missing; name a pretrain dataset."
            )
        return found


@dataclass(frozen=True)
class RewardInputs:
    """What reward-model training reads."""

    policy: str = setting(
        "inputs/policy",
        "Model to start from, normally the SFT model.",
        paper="6B GPT-3 fine-tuned on public NLP sets (C.2)",
    )
    dataset: str = setting("inputs/dataset", "Dataset of kind comparisons: rankings.")
    demonstrations: str | None = setting(
        None,
        "Dataset of kind sft whose demonstrations score 0 on average; without it the training responses do.",
    )


@dataclass(frozen=True)
class Reward:
    """The reward model: one scalar per response, learned from all pairs of a ranking at once."""

    epochs: int = setting(
        1, "Passes over the rankings; more than one overfits fast.", at_least=1, paper="1 (C.2)"
    )
    minibatch_size: int = setting(
        64, "Rankings in one optimizer step, each with all its pairs.", at_least=1, paper="64 (C.2)"
    )
    microbatch_tokens: int = setting(16384, "Most tokens, padding included, in one forward pass.", at_least=1)
    folds: int = setting(
        0,
        "Groups of labelers, each left out of a training of its own and predicted; 0 leaves that out.",
        at_least=0,
        at_most=20,
        paper="5 (4.1, E.2)",
    )
    share_prompt: bool = setting(True, "Compute a prompt once for its K responses; the scores are the same.")


@dataclass(frozen=True)
class RewardConfig(TrainingConfig):
    """Train a reward model on rankings."""

    stage: str = setting("reward", "Which stage this file configures.", choices=("reward",))
    inputs: RewardInputs = section(RewardInputs)
    lengths: Lengths = section(Lengths)
    optim: Optim = section(
        Optim,
        learning_rate=9e-6,
        eps=1e-5,
        paper={"learning_rate": "9e-6 (C.2)", "schedule": "cosine (C.2)", "final_fraction": "0.1 (C.2)"},
    )
    report: Report = section(Report)
    reward: Reward = section(Reward)


@dataclass(frozen=True)
class SampleInputs:
    """What sampling reads."""

    policy: str = setting("inputs/policy", "Policy that writes the responses.")
    prompts: str = setting("inputs/prompts", "Dataset whose records have a prompt.")
    reward: str | None = setting(None, "Reward model that scores the responses.")


@dataclass(frozen=True)
class Sample:
    """K responses for every prompt."""

    k: int = setting(4, "Responses for each prompt.", at_least=1, at_most=64, paper="4 to 9 (C.2)")
    best_of: int = setting(
        1, "Each response is the best of so many by inputs.reward; 1 takes them as they come.", at_least=1
    )
    temperature: float = setting(
        1.0, "Sampling temperature; 0 takes the likeliest token each time.", at_least=0
    )
    split: str = setting("all", "Which prompts.", choices=("all", "train", "valid", "test"))
    max_prompts: int = setting(0, "Use at most this many prompts; 0 means all.", at_least=0)
    microbatch_size: int = setting(128, "Responses decoded at once.", at_least=1)


@dataclass(frozen=True)
class SampleConfig(SharedConfig):
    """Write responses with a policy."""

    stage: str = setting("sample", "Which stage this file configures.", choices=("sample",))
    inputs: SampleInputs = section(SampleInputs)
    lengths: Lengths = section(Lengths)
    sample: Sample = section(Sample)

    def problems(self) -> list[str]:
        if self.sample.best_of > 1 and self.inputs.reward is None:
            return ["sample.best_of is above 1 but inputs.reward is missing; name a reward model."]
        return []


@dataclass(frozen=True)
class EvaluateInputs:
    """What evaluation reads; what is not named is not measured."""

    policy: str | None = setting(None, "Policy to evaluate.")
    reference: str | None = setting(None, "Reference policy, for the KL.")
    reward: str | None = setting(None, "Reward model, for scores and accuracy.")
    gold: str | None = setting(
        None, "Another reward model that judges the responses; with k samples it shows over-optimisation."
    )
    prompts: str | None = setting(None, "Dataset whose prompts the policy answers.")
    dataset: str | None = setting(None, "Dataset of kind comparisons, for the reward model's accuracy.")
    pretrain: str | None = setting(None, "Dataset of kind pretrain, for the policy's ptx loss.")


@dataclass(frozen=True)
class Evaluate:
    """Measure a policy and a reward model."""

    split: str = setting("valid", "Which part of each dataset.", choices=("all", "train", "valid", "test"))
    k: int = setting(1, "Responses for each prompt.", at_least=1, at_most=64)
    best_of: int = setting(
        1, "Each response is the best of so many by inputs.reward; 1 takes them as they come.", at_least=1
    )
    temperature: float = setting(
        1.0, "Sampling temperature; 0 takes the likeliest token each time.", at_least=0
    )
    max_prompts: int = setting(0, "Use at most this many prompts; 0 means all.", at_least=0)
    max_pretrain_sequences: int = setting(256, "Most pretraining sequences for the ptx loss.", at_least=1)
    ptx_sequence_tokens: int = setting(
        0,
        "Length of a pretraining sequence; 0 takes 2048, or the model's context where that is less.",
        at_least=0,
    )
    microbatch_size: int = setting(128, "Responses decoded at once.", at_least=1)
    responses: str | None = setting(
        None, "File of lines with prompt and response that get a score, instead of sampling."
    )


@dataclass(frozen=True)
class EvaluateConfig(SharedConfig):
    """Scores, KL, lengths and losses of a policy; accuracy of a reward model."""

    stage: str = setting("evaluate", "Which stage this file configures.", choices=("evaluate",))
    inputs: EvaluateInputs = section(EvaluateInputs)
    lengths: Lengths = section(Lengths)
    evaluate: Evaluate = section(Evaluate)

    def problems(self) -> list[str]:
        given = self.inputs
        found = []
        if given.policy and not (given.prompts or given.pretrain):
            found.append("inputs.policy is given but neither inputs.prompts nor inputs.pretrain; name one.")
        if (self.evaluate.best_of > 1 or given.gold) and not (given.reward and given.prompts):
            found.append("evaluate.best_of and inputs.gold need inputs.reward and inputs.prompts; name both.")
        if given.dataset and not given.reward:
            found.append("inputs.dataset is given but inputs.reward is missing; name a reward model.")
        if self.evaluate.responses and (given.prompts or not given.reward):
            found.append("evaluate.responses needs inputs.reward, and goes without inputs.prompts.")
        for name in ("prompts", "pretrain", "reference"):
            if getattr(given, name) and not given.policy:
                found.append(
                    f"inputs.{name} is given but inputs.policy is missing; name the policy to measure."
                )
        return found


STAGES: Mapping[str, type[StageConfig]] = {
    "pretrain": PretrainConfig,
    "sft": SftConfig,
    "reward": RewardConfig,
    "ppo": PpoConfig,
    "dpo": DpoConfig,
    "sample": SampleConfig,
    "evaluate": EvaluateConfig,
    "benchmark": BenchmarkConfig,
}
