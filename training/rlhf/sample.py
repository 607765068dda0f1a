"""Sample K responses to every prompt, for the next round of comparisons. Writes responses.jsonl."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from training.rlhf.best_of import best_of_kl, keep_best
from training.rlhf.config import SampleConfig
from training.rlhf.data import Prompt, open_dataset, require_rows
from training.rlhf.generation import generate, row_uniforms
from training.rlhf.model import load_policy, load_reward_model
from training.rlhf.runtime import Run
from training.rlhf.sft import check_context

PROMPT_KINDS = ("ppo_prompts", "evaluation", "sft", "comparisons")


def run(config: SampleConfig, run: Run) -> dict[str, float]:
    """Write k responses for each prompt, in the order of the dataset."""
    # 1. Policy and prompts.
    settings = config.sample
    prompts = load_prompts(run, config.inputs.prompts, settings.split, settings.max_prompts)
    policy, codec = load_policy(run.path(config.inputs.policy), key="inputs.policy", device=run.device)
    check_context(policy.context, config.lengths)
    reward = None
    if config.inputs.reward is not None:
        reward, _ = load_reward_model(run.path(config.inputs.reward), key="inputs.reward", device=run.device)
    encoded = codec.encode_prompts([p.prompt for p in prompts], config.lengths.max_prompt_tokens)
    # 2. Sample prompts of similar length together; every response has random numbers of its own.
    order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
    each = settings.k * settings.best_of
    size = max(1, settings.microbatch_size // each)
    records: dict[int, list[dict[str, Any]]] = {}
    width = config.lengths.max_response_tokens
    for start in range(0, len(order), size):
        run.stop_if_cancelled()
        group = order[start : start + size]
        uniforms = [row_uniforms(each, width, config.seed, "sample", prompts[i].id) for i in group]
        with run.autocast():
            made = generate(
                policy,
                [encoded[i] for i in group],
                n=each,
                max_tokens=width,
                eos_id=codec.eos_id,
                temperature=settings.temperature,
                uniforms=torch.cat(uniforms),
            )
        rows = made.rows()
        scores = None
        if reward is not None:
            groups = [rows[at : at + each] for at in range(0, len(rows), each)]
            with torch.no_grad(), run.autocast():
                scores = reward.score_groups([encoded[i] for i in group], groups, share_prompt=True)
        for at, ids in enumerate(rows):
            i = group[at // each]
            record: dict[str, Any] = {
                "prompt_id": prompts[i].id,
                "prompt": prompts[i].prompt,
                "index": at % each,
                "response": codec.decode(ids),
                "ended": bool(made.ended[at]),
                "tokens": len(ids),
                "logprob": round(float(made.logprobs[at].sum()), 5),
            }
            if scores is not None:
                record["score"] = round(float(scores[at]), 5)
            records.setdefault(i, []).append(record)
        run.progress("sampling", (start + len(group)) * each, len(prompts) * each, "responses")
    # 3. Write them in one move, then report.
    ordered = [record for i in range(len(prompts)) for record in records[i]]
    found = {}
    if settings.best_of > 1:
        ordered = keep_best(ordered, settings.best_of)
        found = {"objective/best_of_kl": best_of_kl(settings.best_of)}
    write_responses(run.folder, ordered)
    run.metrics.write(len(ordered), {**summary(ordered), **found})
    return run.metrics.latest


def load_prompts(run: Run, folder: str, split: str, most: int) -> list[Prompt]:
    """Read the prompts of a split, at most so many (0 = all)."""
    dataset = open_dataset(run.folder / folder, PROMPT_KINDS, key="inputs.prompts")
    prompts = require_rows(dataset.prompts(split), "prompts", dataset, split)
    return prompts[:most] if most else prompts


def write_responses(folder: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write responses.jsonl in one move."""
    temporary = folder / ".responses.jsonl.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    os.replace(temporary, folder / "responses.jsonl")


def summary(records: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Average length, end rate and score of response records."""
    tokens = [float(record["tokens"]) for record in records]
    found = {
        "objective/response_tokens": sum(tokens) / len(records),
        "objective/eos_fraction": sum(bool(record["ended"]) for record in records) / len(records),
    }
    scores = [float(record["score"]) for record in records if "score" in record]
    if scores:
        found["objective/score"] = sum(scores) / len(scores)
    return found
