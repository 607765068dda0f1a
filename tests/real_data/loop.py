"""One turn of the loop on real material, by the rules that pages and commands call.

The base model is made on the spot from English that every Python carries (its language reference, in
`pydoc_data.topics`), so the figures say that real data goes through, not that the policy is any good.
"""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

from labeling.models import Assignment, Batch, Intake, Policy, Prompt, Split, TaskKind
from labeling.rules.batches import create_batch
from labeling.rules.demonstrations import import_demonstrations
from labeling.rules.ranking_imports import import_rankings
from labeling.rules.responses import import_responses
from training.models import Dataset, Model, Run, Stage
from training.rlhf.config import apply_overrides, shipped_config, to_mapping
from training.rules.datasets import freeze_dataset, freeze_texts
from training.rules.run_execution import execute_run
from training.rules.run_inputs import Input
from training.rules.runs import create_run
from training.rules.sampling import Writer, sample_for_batch

PARAGRAPH_CHARACTERS = 1200


@dataclass(frozen=True)
class Size:
    """How much of the material is used and how large the models are."""

    pairs: int
    prompts: int
    k: int
    overrides: Mapping[str, tuple[str, ...]]


LENGTHS = ("lengths.max_prompt_tokens=160", "lengths.max_response_tokens=48")
SMALL = Size(
    pairs=300,
    prompts=10,
    k=3,
    overrides={
        "pretrain": (
            "pretrain.steps=40",
            "pretrain.width=64",
            "pretrain.context=256",
            "optim.learning_rate=3e-3",
        ),
        "sft": (*LENGTHS, "sft.epochs=2"),
        "reward": LENGTHS,
        "ppo": (
            *LENGTHS,
            "ppo.iterations=3",
            "ppo.rollout_batch_size=16",
            "ppo.minibatch_size=16",
            "ppo.microbatch_size=16",
        ),
        "sample": LENGTHS,
    },
)
FULL_LENGTHS = ("lengths.max_prompt_tokens=320", "lengths.max_response_tokens=128")
FULL = Size(
    pairs=2312,
    prompts=60,
    k=4,
    overrides={
        "pretrain": (
            "pretrain.steps=600",
            "pretrain.vocab_size=2048",
            "pretrain.layers=4",
            "pretrain.context=512",
            "pretrain.sequence_tokens=128",
            "optim.learning_rate=3e-3",
        ),
        "sft": (*FULL_LENGTHS, "sft.epochs=4"),
        "reward": (*FULL_LENGTHS, "optim.learning_rate=3e-4"),
        "ppo": (*LENGTHS, "ppo.iterations=20", "optim.learning_rate=1e-4"),
        "sample": LENGTHS,
    },
)


def import_seed_tasks(folder: Path) -> Intake:
    """Import the human-written seed tasks as demonstrations."""
    rows = [
        {"prompt": joined(task), "response": task["demonstration"], "labeler": "seed-authors"}
        for task in lines(folder / "seed_tasks.jsonl")
    ]
    return import_demonstrations(rows=rows, file_name="seed_tasks.jsonl")


def import_model_outputs(folder: Path) -> Intake:
    """Import what eight real models wrote to the user-oriented prompts."""
    rows = [
        {"prompt": joined(task), "policy": policy, "response": text}
        for task in lines(folder / "user_oriented.jsonl")
        for policy, text in task["outputs"].items()
    ]
    return import_responses(rows=rows, file_name="user_oriented.jsonl")


def import_preferences(folder: Path, size: Size) -> Intake:
    """Import human preference pairs as rankings."""
    with gzip.open(folder / "hh_harmless.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for _, line in zip(range(size.pairs), file, strict=False)]
    return import_rankings(rows=rows, file_name="hh_harmless.jsonl.gz")


def open_comparisons_of(policies: list[str]) -> Batch:
    """Open a batch in which all these imported policies answer each prompt that they all have answered."""
    writers = [Writer(policy, 1) for policy in Policy.objects.filter(name__in=policies)]
    prompts = list(Prompt.objects.usable().filter(responses__policy__name=policies[0]).order_by("pk"))
    batch = create_batch(name="Eight real models", kind=TaskKind.COMPARISON, k=len(writers))
    runs = sample_for_batch(batch=batch, writers=writers, prompts=prompts)
    if runs:
        raise AssertionError("imported policies are not sampled")
    batch.refresh_from_db()
    return batch


def train_base(size: Size) -> Model:
    """Make a small base model from the English that comes with Python."""
    texts = freeze_texts(name="python topics", texts=_paragraphs())
    return do_run(size, Stage.PRETRAIN, "tiny_pretrain", {"dataset": texts})


def train_sft(size: Size, base: Model) -> Model:
    """Fine-tune the base model on the seed tasks."""
    return do_run(size, Stage.SFT, "tiny_sft", {"policy": base, "dataset": freeze_dataset(kind="sft")})


def train_reward(size: Size, supervised: Model) -> Model:
    """Train a reward model on the preference pairs; its run has the accuracy on the valid part."""
    pairs = freeze_dataset(kind="comparisons")
    return do_run(size, Stage.REWARD, "tiny_reward", {"policy": supervised, "dataset": pairs})


def train_ppo(size: Size, supervised: Model, reward: Model) -> Model:
    """Run PPO from the SFT policy against the reward model, on the seed tasks' prompts."""
    prompts = freeze_dataset(kind="ppo_prompts", selection={"sources": ["labeler"]})
    inputs: dict[str, Input] = {"policy": supervised, "reward": reward, "prompts": prompts}
    return do_run(size, Stage.PPO, "tiny_ppo", inputs)


def open_next_comparisons(size: Size, supervised: Model, policy: Model) -> Batch:
    """Let the new policy and SFT answer user-oriented prompts, and open the comparisons."""
    if supervised.policy is None or policy.policy is None:
        raise AssertionError("both models write responses")
    prompts = Prompt.objects.usable().filter(responses__policy__kind="imported", split=Split.TEST)
    chosen = list(prompts.exclude(has_pii=True).distinct().order_by("pk")[: size.prompts])
    batch = create_batch(name="Next round", kind=TaskKind.COMPARISON, k=size.k)
    writers = [Writer(policy.policy, size.k - 1), Writer(supervised.policy, 1)]
    config = _config(size, Stage.SAMPLE, "tiny_sample")
    for run in sample_for_batch(batch=batch, writers=writers, prompts=chosen, config=config):
        _do(run)
    batch.refresh_from_db()
    return batch


def do_run(size: Size, stage: str, config: str, inputs: Mapping[str, Input]) -> Model:
    """Create a run as the dashboard does, do it in a process, and return the model it registered."""
    run = create_run(stage=stage, config=_config(size, stage, config), inputs=inputs)
    return Model.objects.get(run=_do(run))


def accuracy_of(reward: Model) -> dict[str, float]:
    """Return how often a reward model orders held-out pairs as people did, with its 95 % interval."""
    found = reward.facts["metrics"]
    return {
        "accuracy": found["valid/accuracy"],
        "low": found["valid/accuracy_low"],
        "high": found["valid/accuracy_high"],
        "pairs": found["valid/pairs"],
    }


def model_names(folder: Path) -> list[str]:
    """Return the names of the models whose outputs the material holds."""
    return sorted(next(lines(folder / "user_oriented.jsonl"))["outputs"])


def responses_shown(assignment: Assignment) -> list[str]:
    """Return the texts that the labeler of an assignment sees."""
    return [candidate.response.text for candidate in assignment.task.candidates.select_related("response")]


def parts_of(dataset: Dataset) -> dict[str, int]:
    """Return how many records each part of a dataset has."""
    return {part["split"]: part["rows"] for part in dataset.manifest["parts"]}


def _config(size: Size, stage: str, shipped: str) -> dict[str, Any]:
    config = apply_overrides(to_mapping(shipped_config(shipped)), list(size.overrides.get(stage, ())))
    return {key: value for key, value in config.items() if key != "inputs"}


def _do(run: Run) -> Run:
    execute_run(run.code)
    run.refresh_from_db()
    if run.state != "finished":
        raise AssertionError(f"{run} {run.state}: {run.reason}\n{run.log_tail[-3000:]}")
    return run


def lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def joined(task: Mapping[str, Any]) -> str:
    return "\n\n".join(part for part in (task["instruction"], task["input"]) if part)


def _paragraphs() -> Iterator[str]:
    for name in sorted(topics):
        text = topics[name]
        for start in range(0, len(text), PARAGRAPH_CHARACTERS):
            yield text[start : start + PARAGRAPH_CHARACTERS]
