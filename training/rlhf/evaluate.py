"""Measure a policy (score, KL, length, entropy, ptx loss) and a reward model (accuracy on held-out rankings).

What is measured follows from what the config names: prompts and a policy give responses.jsonl and the
objective/ metrics; a reward model adds scores and a reference the KL; a dataset of comparisons gives the
reward model's accuracy; pretraining text gives the policy's ptx loss; a file of responses gets a score on
every line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from training.rlhf.accuracy import PairCounts, accuracy_metrics
from training.rlhf.best_of import best_of_curve, best_of_kl, keep_best
from training.rlhf.config import EvaluateConfig
from training.rlhf.data import open_dataset, require_rows
from training.rlhf.errors import RunRefusedError
from training.rlhf.generation import row_uniforms
from training.rlhf.losses import ranking_loss
from training.rlhf.model import LanguageModel, RewardModel, load_policy, load_reward_model
from training.rlhf.packing import PackedText, sequence_length, valid_text_loss
from training.rlhf.parallel import gathered, share
from training.rlhf.plots import calibration_plot, over_optimisation_plot
from training.rlhf.ppo import described, gold_scores, response_numbers
from training.rlhf.reward import encode, score_examples
from training.rlhf.rollout import Models, Rollout, collect_rollout
from training.rlhf.runtime import Run
from training.rlhf.sample import load_prompts, summary, write_responses
from training.rlhf.sft import check_context
from training.rlhf.tokenizer import Codec, require_same_tokens


def run(config: EvaluateConfig, run: Run) -> dict[str, float]:
    """Measure everything the inputs allow and write it as one line of metrics."""
    inputs = config.inputs
    found: dict[str, float] = {}
    reward, reward_codec = None, None
    if inputs.reward is not None:
        reward, reward_codec = load_reward_model(
            run.path(inputs.reward), key="inputs.reward", device=run.device
        )
        check_context(reward, config.lengths, key="inputs.reward")
    if inputs.policy is not None:
        policy, codec = load_policy(run.path(inputs.policy), key="inputs.policy", device=run.device)
        check_context(policy, config.lengths, key="inputs.policy")
        if reward_codec is not None:
            require_same_tokens(codec, reward_codec, "inputs.reward")
        if inputs.prompts is not None:
            found |= measure_responses(config, run, policy, codec, reward)
        if inputs.pretrain is not None:
            found["valid/ptx_loss"] = measure_ptx(config, run, policy, codec)
    if reward is not None and reward_codec is not None:
        if inputs.dataset is not None:
            found |= measure_accuracy(config, run, reward, reward_codec)
        if config.evaluate.responses is not None:
            found |= score_responses(config, run, reward, reward_codec)
    run.metrics.write(1, found)
    return found


def measure_responses(
    config: EvaluateConfig, run: Run, policy: LanguageModel, codec: Codec, reward: RewardModel | None
) -> dict[str, float]:
    """Sample k responses to each prompt, score them, and average over all of them."""
    settings, width = config.evaluate, config.lengths.max_response_tokens
    prompts = load_prompts(run, config.inputs.prompts or "", settings.split, settings.max_prompts)
    reference = None
    if config.inputs.reference is not None:
        name = "inputs.reference"
        reference, ref_codec = load_policy(run.path(config.inputs.reference), key=name, device=run.device)
        require_same_tokens(codec, ref_codec, name)
        check_context(reference, config.lengths, key=name)
    encoded = codec.encode_prompts([p.prompt for p in prompts], config.lengths.max_prompt_tokens)
    each = settings.k * settings.best_of
    places = [(i, k) for i in range(len(prompts)) for k in range(each)]
    places.sort(key=lambda place: len(encoded[place[0]]))
    size = settings.microbatch_size
    gold = load_gold(config, run, codec)
    models = Models(policy, reference, reward)
    numbers: list[Tensor] = []
    records: dict[tuple[int, int], dict[str, Any]] = {}
    dealt = share([places[start : start + size] for start in range(0, len(places), size)])
    for number, (group, weight) in enumerate(dealt, start=1):
        run.stop_if_cancelled()
        if not weight:  # another process has it
            continue
        uniforms = [row_uniforms(1, width, config.seed, "evaluate", prompts[i].id, k) for i, k in group]
        with run.autocast():
            rollout = collect_rollout(
                models,
                codec,
                [encoded[i] for i, _ in group],
                max_tokens=width,
                temperature=settings.temperature,
                microbatch_size=size,
                uniforms=torch.cat(uniforms),
            )
        numbers.append(response_numbers(rollout).cpu())
        judged = None if gold is None else gold_scores(gold, rollout, size, run).tolist()
        for row, (i, k) in enumerate(group):
            records[i, k] = {
                "prompt_id": prompts[i].id,
                "prompt": prompts[i].prompt,
                "index": k,
                **_response(rollout, row, codec, scored=reward is not None),
                **({} if judged is None else {"gold_score": round(judged[row], 5)}),
            }
        run.progress("sampling", len(places) * number // len(dealt), len(places), "responses")
    records = {place: made for part in gathered(records) for place, made in part.items()}
    found = described(torch.cat([each for part in gathered(numbers) for each in part]), 0.0)
    ordered = _written([records[place] for place in sorted(records)], config, run, scored=reward is not None)
    return _known_metrics(found, ordered, config, models, gold)


def _written(
    ordered: list[dict[str, Any]], config: EvaluateConfig, run: Run, *, scored: bool
) -> list[dict[str, Any]]:
    """Write the responses, of each prompt's the best if that is asked for, and plot what choosing brings."""
    settings = config.evaluate
    each = settings.k * settings.best_of
    if scored and each > 1:
        by_prompt = [ordered[at : at + each] for at in range(0, len(ordered), each)]
        plot = over_optimisation_plot(best_of_curve(by_prompt))
        run.report["plots"] = {**run.report.get("plots", {}), "best_of": plot}
    if settings.best_of > 1:
        ordered = keep_best(ordered, settings.best_of)
    write_responses(run.folder, ordered)
    return ordered


def _known_metrics(
    found: Mapping[str, float],
    ordered: Sequence[Mapping[str, Any]],
    config: EvaluateConfig,
    models: Models,
    gold: RewardModel | None,
) -> dict[str, float]:
    """Leave out what nobody measured."""
    judged = {}
    if gold is not None:
        judged["valid/gold_score"] = sum(r["gold_score"] for r in ordered) / len(ordered)
    best_of = config.evaluate.best_of
    if best_of > 1:  # the KL of the best is known, that of all samples is not theirs
        return {**summary(ordered), **judged, "objective/best_of_kl": best_of_kl(best_of)}
    unknown = {"objective/reward"}
    if models.reward is None:
        unknown |= {"objective/score", "objective/score_std"}
    if models.reference is None:
        unknown |= {"objective/kl", "objective/kl_k3"}
    return {name: value for name, value in found.items() if name not in unknown} | judged


def load_gold(config: EvaluateConfig, run: Run, codec: Codec) -> RewardModel | None:
    """Load the model that stands for what people want, where there is one."""
    if config.inputs.gold is None:
        return None
    gold, other = load_reward_model(run.path(config.inputs.gold), key="inputs.gold", device=run.device)
    require_same_tokens(codec, other, "inputs.gold")
    check_context(gold, config.lengths, key="inputs.gold")
    return gold


def _response(rollout: Rollout, row: int, codec: Codec, *, scored: bool) -> dict[str, Any]:
    ids = rollout.tokens[row][rollout.response_mask[row]].tolist()
    record: dict[str, Any] = {
        "response": codec.decode(ids),
        "ended": bool(rollout.ended[row]),
        "tokens": len(ids),
        "logprob": round(float(rollout.logprobs[row].sum()), 5),
    }
    if scored:
        record["score"] = round(float(rollout.scores[row]), 5)
    return record


def measure_ptx(config: EvaluateConfig, run: Run, policy: LanguageModel, codec: Codec) -> float:
    """Average the policy's next-token loss over packed pretraining text."""
    run.progress("reading text", 0, 1, "texts")
    dataset = open_dataset(run.folder / (config.inputs.pretrain or ""), ["pretrain"], key="inputs.pretrain")
    split = config.evaluate.split
    texts = require_rows(dataset.texts(split), "texts", dataset, split)
    length = sequence_length(config.evaluate.ptx_sequence_tokens, policy.context)
    packed = PackedText(texts, codec, sequence_tokens=length, what=str(dataset.folder))
    with run.autocast():
        return valid_text_loss(policy, packed.sequences(config.evaluate.max_pretrain_sequences))


@torch.no_grad()
def measure_accuracy(config: EvaluateConfig, run: Run, reward: RewardModel, codec: Codec) -> dict[str, float]:
    """Count how often the reward model orders pairs as labelers did."""
    dataset = open_dataset(run.folder / (config.inputs.dataset or ""), ["comparisons"], key="inputs.dataset")
    split = config.evaluate.split
    rows = require_rows(dataset.comparisons(split), "rankings", dataset, split)
    kept = [row for row in rows if row.pair_count() > 0]
    if not kept:
        raise RunRefusedError(f"inputs.dataset: all {len(rows)} rankings in the {split} split are ties only.")
    examples = encode(kept, codec, config.lengths)
    examples.sort(key=lambda example: example.tokens())
    counts, loss_sum = PairCounts(), 0.0
    size = max(1, config.evaluate.microbatch_size // 4)
    for start in range(0, len(examples), size):
        run.stop_if_cancelled()
        part = examples[start : start + size]
        with run.autocast():
            scores, ranks, slot_mask = score_examples(reward, part, share_prompt=True)
        loss_sum += float(ranking_loss(scores, ranks, slot_mask)) * len(part)
        counts.add(scores, ranks, slot_mask, part)
        run.progress("scoring rankings", start + len(part), len(examples), "rankings")
    run.report["plots"] = {**run.report.get("plots", {}), "calibration": calibration_plot(counts.bins())}
    dropped = {"data/dropped": float(len(rows) - len(kept))}
    return {"valid/reward_loss": loss_sum / len(examples), **accuracy_metrics(counts), **dropped}


@torch.no_grad()
def score_responses(config: EvaluateConfig, run: Run, reward: RewardModel, codec: Codec) -> dict[str, float]:
    """Score a file of {"prompt", "response"} lines and write them, with scores, to responses.jsonl."""
    path = Path(run.path(config.evaluate.responses or ""))
    records = read_responses(path)
    prompts = codec.encode_prompts([r["prompt"] for r in records], config.lengths.max_prompt_tokens)
    responses = codec.encode_responses([r["response"] for r in records], config.lengths.max_response_tokens)
    order = sorted(range(len(records)), key=lambda i: len(prompts[i]) + len(responses[i]))
    size = config.evaluate.microbatch_size
    for start in range(0, len(order), size):
        run.stop_if_cancelled()
        group = order[start : start + size]
        with run.autocast():
            scores = reward.score_groups(
                [prompts[i] for i in group], [[responses[i]] for i in group], share_prompt=False
            )
        for i, score in zip(group, scores.tolist(), strict=True):
            records[i]["score"] = round(score, 5)
        run.progress("scoring responses", start + len(group), len(order), "responses")
    write_responses(run.folder, records)
    values = [float(record["score"]) for record in records]
    return {"objective/score": sum(values) / len(values)}


def read_responses(path: Path) -> Sequence[dict[str, Any]]:
    """Read lines with at least prompt and response."""
    if not path.is_file():
        raise RunRefusedError(f"evaluate.responses: {path} does not exist.")
    records = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = dict(json.loads(line))
            _ = record["prompt"] + record["response"]
        except (KeyError, TypeError, ValueError):
            raise RunRefusedError(
                f"evaluate.responses: {path} line {number} lacks prompt or response."
            ) from None
        records.append(record)
    if not records:
        raise RunRefusedError(f"evaluate.responses: {path} is empty; at least one response is needed.")
    return records
