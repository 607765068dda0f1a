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
from training.rlhf.model import LanguageModel, RewardModel, load_policy, load_reward_model
from training.rlhf.parallel import gathered, is_main, share
from training.rlhf.runtime import Run
from training.rlhf.sft import check_context
from training.rlhf.tokenizer import Codec, require_same_tokens

PROMPT_KINDS = ("ppo_prompts", "evaluation", "sft", "comparisons")


def run(config: SampleConfig, run: Run) -> dict[str, float]:
    """Write k responses for each prompt, in the order of the dataset."""
    # 1. Policy and prompts.
    settings = config.sample
    prompts = load_prompts(run, config.inputs.prompts, settings.split, settings.max_prompts)
    policy, codec = load_policy(run.path(config.inputs.policy), key="inputs.policy", device=run.device)
    check_context(policy, config.lengths, key="inputs.policy")
    reward = None
    if config.inputs.reward is not None:
        name = "inputs.reward"
        reward, other = load_reward_model(run.path(config.inputs.reward), key=name, device=run.device)
        require_same_tokens(codec, other, name)
        check_context(reward, config.lengths, key=name)
    encoded = codec.encode_prompts([p.prompt for p in prompts], config.lengths.max_prompt_tokens)
    # 2. Sample prompts of similar length together; every response has random numbers of its own.
    order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
    each = settings.k * settings.best_of
    size = max(1, settings.microbatch_size // each)
    records: dict[int, list[dict[str, Any]]] = {}
    dealt = share([order[start : start + size] for start in range(0, len(order), size)])
    for number, (group, weight) in enumerate(dealt, start=1):
        run.stop_if_cancelled()
        if not weight:  # another process has it
            continue
        answered = [prompts[i] for i in group]
        found = answers(policy, reward, codec, answered, [encoded[i] for i in group], config, run)
        for at, i in enumerate(group):
            records[i] = found[at * each : (at + 1) * each]
        total = len(prompts) * each
        run.progress("sampling", total * number // len(dealt), total, "responses")
    records = {i: made for part in gathered(records) for i, made in part.items()}
    # 3. Write them in one move, then report.
    ordered = [record for i in range(len(prompts)) for record in records[i]]
    about = {}
    if settings.best_of > 1:
        ordered = keep_best(ordered, settings.best_of)
        about = {"objective/best_of_kl": best_of_kl(settings.best_of)}
    write_responses(run.folder, ordered)
    run.metrics.write(len(ordered), {**summary(ordered), **about})
    return run.metrics.latest


def answers(
    policy: LanguageModel,
    reward: RewardModel | None,
    codec: Codec,
    prompts: Sequence[Prompt],
    encoded: Sequence[Sequence[int]],
    config: SampleConfig,
    run: Run,
) -> list[dict[str, Any]]:
    """Sample k responses to each prompt, times best_of, and score them: one record each, prompt by prompt."""
    settings, width = config.sample, config.lengths.max_response_tokens
    each = settings.k * settings.best_of
    uniforms = [row_uniforms(each, width, config.seed, "sample", prompt.id) for prompt in prompts]
    with torch.no_grad(), run.autocast():
        made = generate(
            policy,
            encoded,
            n=each,
            max_tokens=width,
            eos_id=codec.eos_id,
            temperature=settings.temperature,
            uniforms=torch.cat(uniforms),
        )
        rows = made.rows()
        groups = [rows[at : at + each] for at in range(0, len(rows), each)]
        scores = None if reward is None else reward.score_groups(encoded, groups, share_prompt=True)
    records: list[dict[str, Any]] = []
    for at, ids in enumerate(rows):
        prompt = prompts[at // each]
        record = {
            "prompt_id": prompt.id,
            "prompt": prompt.prompt,
            "index": at % each,
            "response": codec.decode(ids),
            "ended": bool(made.ended[at]),
            "tokens": len(ids),
            "logprob": round(float(made.logprobs[at].sum()), 5),
        }
        records.append(record if scores is None else {**record, "score": round(float(scores[at]), 5)})
    return records


def load_prompts(run: Run, folder: str, split: str, most: int) -> list[Prompt]:
    """Read the prompts of a split, at most so many (0 = all)."""
    dataset = open_dataset(run.folder / folder, PROMPT_KINDS, key="inputs.prompts")
    prompts = require_rows(dataset.prompts(split), "prompts", dataset, split)
    return prompts[:most] if most else prompts


def write_responses(folder: Path, records: Sequence[Mapping[str, Any]]) -> None:
    """Write responses.jsonl in one move, in the main process."""
    if not is_main():
        return
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
