"""What several stages have in their configs: lengths, optimizer, reports, and where a run happens."""

from __future__ import annotations

from dataclasses import dataclass

from training.rlhf.schema import section, setting


@dataclass(frozen=True)
class Lengths:
    """How much text a model sees of one example."""

    max_prompt_tokens: int = setting(
        1024,
        "Longest prompt in tokens; a longer one loses its beginning, cut at a line end.",
        at_least=1,
        paper="1024 (C)",
    )
    max_response_tokens: int = setting(
        1024,
        "Longest response in tokens, its end token included; sampling stops here.",
        at_least=1,
        paper="1024 (C)",
    )


@dataclass(frozen=True)
class Optim:
    """AdamW and its learning-rate schedule. Steps are optimizer steps, one per minibatch."""

    learning_rate: float = setting(1e-5, "Peak learning rate.", at_least=0)
    betas: tuple[float, float] = setting(
        (0.9, 0.95), "AdamW betas.", at_least=0, at_most=0.9999, paper="0.9, 0.95 (C)"
    )
    eps: float = setting(1e-8, "AdamW epsilon; 1e-5 makes the first steps gentler.", at_least=0)
    weight_decay: float = setting(0.0, "Decoupled weight decay on matrices.", at_least=0)
    clip_norm: float = setting(1.0, "Largest gradient norm of a step; 0 turns clipping off.", at_least=0)
    warmup_steps: int = setting(0, "Steps over which the rate rises linearly to its peak.", at_least=0)
    warmup_start_fraction: float = setting(
        0.1, "Share of the peak at which warm-up begins.", at_least=0, at_most=1
    )
    schedule: str = setting("cosine", "Shape after warm-up.", choices=("cosine", "linear", "constant"))
    final_fraction: float = setting(0.1, "Share of the peak left at the last step.", at_least=0, at_most=1)


@dataclass(frozen=True)
class LoraSettings:
    """Adapters in place of training all weights. Not in the paper."""

    rank: int = setting(
        0,
        "Rank of the adapters of every linear layer; 0 trains all weights instead.",
        at_least=0,
        at_most=1024,
    )
    alpha: float = setting(16.0, "An adapter's change is scaled by alpha / rank.", at_least=0)


@dataclass(frozen=True)
class Report:
    """What a run says on the way, counted in optimizer steps (iterations for PPO)."""

    log_every: int = setting(1, "Steps between lines of metrics.jsonl.", at_least=1)
    valid_every: int = setting(
        0, "Steps between evaluations on the valid split; 0 means only at the end.", at_least=0
    )
    sample_every: int = setting(
        0, "Steps between sampled texts in samples.jsonl; 0 means only at the end.", at_least=0
    )
    sample_count: int = setting(4, "Texts sampled each time.", at_least=0)
    checkpoint_every: int = setting(
        0, "Steps between resumable checkpoints; 0 leaves it to the clock.", at_least=0
    )
    checkpoint_seconds: float = setting(
        300.0, "Seconds between resumable checkpoints where checkpoint_every is 0.", at_least=0
    )


@dataclass(frozen=True)
class StageConfig:
    """What every stage has: where it runs and from which seed."""

    stage: str = setting("", "Which stage this file configures.")
    seed: int = setting(0, "Seed of data order, initialisation and sampling.", at_least=0, at_most=2**31 - 1)
    device: str = setting(
        "auto", "Where tensors live; auto takes a GPU if there is one.", choices=("auto", "cpu", "cuda")
    )
    dtype: str = setting(
        "float32",
        "Precision of matrix products; weights, losses and log-probabilities stay float32.",
        choices=("float32", "bfloat16"),
        paper="fp16 with fp32 master weights (C)",
    )
    flex: bool = setting(
        False, "Let packed rows on a GPU take FlexAttention's block masks in place of torch's fused kernels."
    )
    threads: int = setting(0, "CPU threads; 0 leaves the choice to torch.", at_least=0, at_most=1024)

    def problems(self) -> list[str]:
        """Sentences about settings that do not fit each other."""
        return []


@dataclass(frozen=True)
class SharedConfig(StageConfig):
    """What the stages have that several processes can share."""

    processes: int = setting(
        1, "Processes of the run, on all machines together; one per GPU.", at_least=1, at_most=4096
    )


@dataclass(frozen=True)
class TrainingConfig(SharedConfig):
    """What the stages have that train a model they are given."""

    parallel: str = setting(
        "ddp",
        "What each process holds: whole models (ddp), or a share of every weight (fsdp).",
        choices=("ddp", "fsdp"),
    )
    lora: LoraSettings = section(LoraSettings)

    def problems(self) -> list[str]:
        if self.lora.rank and self.parallel == "fsdp":
            return ['lora.rank is above 0 and parallel is fsdp; adapters need parallel = "ddp".']
        return []
