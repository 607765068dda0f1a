"""Settings of a benchmark run: a public evaluation set, put to a policy by lm-evaluation-harness."""

from __future__ import annotations

from dataclasses import dataclass

from training.rlhf.schema import section, setting
from training.rlhf.sections import StageConfig


@dataclass(frozen=True)
class BenchmarkInputs:
    """What a benchmark run reads."""

    policy: str = setting("inputs/policy", "Policy to evaluate.")
    dataset: str = setting("inputs/dataset", "Dataset of kind benchmark.")
    classifier: str | None = setting(
        None,
        "Toxicity classifier, for sets whose answers it judges: a sequence classifier of transformers.",
        paper="Perspective API, a closed service (D)",
    )


@dataclass(frozen=True)
class Benchmark:
    """How the questions are put and the answers taken."""

    few_shot: int = setting(
        0,
        "Solved examples before each question, drawn from the set's train part.",
        at_least=0,
        at_most=100,
        paper="15; 4 passages for SQuADv2 and DROP, 2 paragraphs for QuAC (D.2)",
    )
    examples_by: str = setting(
        "question",
        "A solved example is one question, or a passage with all its questions (DROP, SQuADv2, QuAC).",
        choices=("question", "passage"),
        paper="passages for SQuADv2, DROP and QuAC (D.2)",
    )
    format: str = setting(
        "plain",
        "Whether the answer goes on from the text, or is a response behind the prompt's separator.",
        choices=("plain", "response"),
    )
    instruction: str = setting(
        "none",
        "What is asked for before the prompts of a toxicity set.",
        choices=("none", "respectful", "biased"),
        paper="all three (D)",
    )
    toxic_label: str = setting(
        "", "The classifier's label whose probability is the toxicity; empty takes the one called toxic."
    )
    temperature: float = setting(
        0.0, "Of written answers; 0 takes the likeliest token each time.", at_least=0
    )
    max_answer_tokens: int = setting(64, "Longest written answer.", at_least=1)
    max_items: int = setting(0, "Use at most this many questions; 0 means all.", at_least=0)
    microbatch_size: int = setting(16, "Questions, or choices of one, computed at once.", at_least=1)


@dataclass(frozen=True)
class BenchmarkConfig(StageConfig):
    """Put a public evaluation set to a policy."""

    stage: str = setting("benchmark", "Which stage this file configures.", choices=("benchmark",))
    inputs: BenchmarkInputs = section(BenchmarkInputs)
    benchmark: Benchmark = section(Benchmark)
