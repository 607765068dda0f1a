"""Lengths of a run against what its models read: fitting ones where none are given, others refused."""

import json
import tomllib
from collections.abc import Mapping
from typing import Any

from training.models import Model
from training.rlhf.config import StageConfig, describe, to_mapping
from training.rules import artifacts
from training.rules.run_inputs import Input

CONTEXT_KEYS = ("max_position_embeddings", "n_positions")
PROMPT, RESPONSE = "max_prompt_tokens", "max_response_tokens"


def context_of(given: Input | None) -> int | None:
    """Return how many tokens a stored model reads; None where its files do not say, as for one of the hub."""
    if not isinstance(given, Model) or not given.folder:
        return None
    try:
        with artifacts.reading(given.folder, "config.json") as file:
            config = json.load(file)
    except (FileNotFoundError, ValueError):
        return None
    for part in (config, config.get("text_config") or {}):
        for key in CONTEXT_KEYS:
            if isinstance(part.get(key), int):
                return int(part[key])
    return None


def lengths_for(stage: str, policy: Input | None) -> dict[str, int]:
    """Return the lengths that a run of a policy has by itself; empty where the stage's defaults fit.

    They are those of the run that made the policy, or else half of what it reads for prompt and response.
    """
    context = context_of(policy)
    defaults = {field.key: field.default for field in describe(stage)}
    keys = {name: f"lengths.{name}" for name in (PROMPT, RESPONSE)}
    if context is None or not defaults.keys() >= set(keys.values()):
        return {}
    if sum(defaults[key] for key in keys.values()) <= context:
        return {}
    run = policy.run if isinstance(policy, Model) else None
    earlier: Mapping[str, Any] = tomllib.loads(run.config).get("lengths", {}) if run else {}
    if earlier.keys() >= keys.keys():
        return {name: int(earlier[name]) for name in keys}
    return {PROMPT: context - context // 2, RESPONSE: context // 2}


def check_lengths(config: StageConfig, inputs: Mapping[str, Input]) -> list[str]:
    """Return a sentence where prompt and response together are more than one of the models reads."""
    lengths: Mapping[str, int] = to_mapping(config).get("lengths", {})
    known = [
        (context, given)
        for name, given in inputs.items()
        if name != "classifier" and (context := context_of(given)) is not None  # it cuts what it reads
    ]
    context, narrowest = min(known, key=lambda pair: pair[0], default=(None, None))
    if context is None or not lengths or lengths[PROMPT] + lengths[RESPONSE] <= context:
        return []
    return [
        f"lengths.{PROMPT} is {lengths[PROMPT]} and lengths.{RESPONSE} is {lengths[RESPONSE]}; allowed is "
        f"{context} together, which is what {narrowest} reads."
    ]
