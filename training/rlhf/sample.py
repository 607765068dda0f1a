"""Sample K responses to every prompt, for the next round of comparisons. Writes responses.jsonl."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

import torch

from training.rlhf.batching import right_pad
from training.rlhf.config import SampleConfig
from training.rlhf.data import Prompt, open_dataset, require_rows
from training.rlhf.generation import generate, row_uniforms
from training.rlhf.model import RewardModel, load_policy, load_reward_model
from training.rlhf.runtime import Run
from training.rlhf.sft import check_context
from training.rlhf.tokenizer import Codec

PROMPT_KINDS = ("ppo_prompts", "evaluation", "sft", "comparisons")


def run(config: SampleConfig, run: Run) -> dict[str, float]:
    """Write k responses for each prompt, in the order of the dataset."""
    # 1. Policy and prompts.
    settings = config.sample
    prompts = load_prompts(run, config.inputs.prompts, settings.split, settings.max_prompts)
    policy, codec = load_policy(run.path(config.inputs.policy), key="inputs.policy", device=run.device)
    check_context(policy, config.lengths)
    scorer = load_scorer(run, config.inputs.reward)
    encoded = codec.encode_prompts([p.prompt for p in prompts], config.lengths.max_prompt_tokens)
    # 2. Sample prompts of similar length together; every response has random numbers of its own.
    order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
    size = max(1, settings.microbatch_size // settings.k)
    records: dict[int, list[dict[str, object]]] = {}
    width = config.lengths.max_response_tokens
    for start in range(0, len(order), size):
        run.stop_if_cancelled()
        group = order[start : start + size]
        uniforms = [row_uniforms(settings.k, width, config.seed, "sample", prompts[i].id) for i in group]
        with run.autocast():
            made = generate(
                policy,
                [encoded[i] for i in group],
                n=settings.k,
                max_tokens=width,
                eos_id=codec.eos_id,
                temperature=settings.temperature,
                uniforms=torch.cat(uniforms),
            )
        rows = made.rows()
        scores = scorer([encoded[i] for i in group for _ in range(settings.k)], rows) if scorer else None
        for at, ids in enumerate(rows):
            i = group[at // settings.k]
            record: dict[str, object] = {
                "prompt_id": prompts[i].id,
                "prompt": prompts[i].prompt,
                "index": at % settings.k,
                "response": codec.decode(ids),
                "ended": bool(made.ended[at]),
                "tokens": len(ids),
                "logprob": round(float(made.logprobs[at].sum()), 5),
            }
            if scores is not None:
                record["score"] = round(float(scores[at]), 5)
            records.setdefault(i, []).append(record)
        run.progress("sampling", (start + len(group)) * settings.k, len(prompts) * settings.k, "responses")
    # 3. Write them in one move, then report.
    ordered = [record for i in range(len(prompts)) for record in records[i]]
    temporary = run.folder / ".responses.jsonl.tmp"
    with temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in ordered)
    os.replace(temporary, run.folder / "responses.jsonl")
    run.metrics.write(len(ordered), summary(ordered))
    return run.metrics.latest


def load_prompts(run: Run, folder: str, split: str, most: int) -> list[Prompt]:
    """Read the prompts of a split, at most so many (0 = all)."""
    dataset = open_dataset(run.folder / folder, PROMPT_KINDS, key="inputs.prompts")
    prompts = require_rows(dataset.prompts(split), "prompts", dataset, split)
    return prompts[:most] if most else prompts


class Scorer:
    """A reward model that scores rows of ids made with the policy's tokenizer."""

    def __init__(self, model: RewardModel, device: torch.device) -> None:
        self.model = model
        self.device = device

    @torch.no_grad()
    def __call__(self, prompts: Sequence[Sequence[int]], responses: Sequence[Sequence[int]]) -> torch.Tensor:
        """Score responses to prompts, both as ids: (B,) float."""
        rows = [[*p, *r] for p, r in zip(prompts, responses, strict=True)]
        ids, mask = right_pad(rows)
        return self.model.scores(ids.to(self.device), mask.to(self.device))


def load_scorer(run: Run, source: str | None, codec: Codec | None = None) -> Scorer | None:
    """Load the reward model an input names, if it names one."""
    if source is None:
        return None
    model, _ = load_reward_model(run.path(source), key="inputs.reward", device=run.device)
    return Scorer(model, run.device)


def summary(records: Sequence[dict[str, object]]) -> dict[str, float]:
    """Average length, end rate and score of response records."""
    tokens = [float(str(record["tokens"])) for record in records]
    found = {
        "objective/response_tokens": sum(tokens) / len(records),
        "objective/eos_fraction": sum(bool(record["ended"]) for record in records) / len(records),
    }
    scores = [float(str(record["score"])) for record in records if "score" in record]
    if scores:
        found["objective/score"] = sum(scores) / len(scores)
    return found
