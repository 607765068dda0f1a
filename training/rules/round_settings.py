"""The settings of a round: what may be chosen when it is opened, and what is chosen where nothing is said."""

from collections.abc import Callable, Mapping
from typing import Any

from labeling.errors import InvalidInput
from labeling.rules.texts import counted
from training.models import Stage
from training.rlhf.config import ConfigError, apply_overrides, shipped_config, shipped_names
from training.rules.over_optimisation import check_alarm
from training.rules.round_gate import check_thresholds

DEFAULTS: Mapping[str, Any] = {
    "k": 4,
    "overlap": 1,
    "shared_fraction": 1.0,
    "gate": {},
    "alarm": {},
    "mix": {},
    "best_of_n": 16,
    "choose_by": "order",
    "pool_factor": 3,
    "control_fraction": 0.2,
    "start_from": "initialiser",
    "pool": "all",
    "is_automatic": False,
    "prompts": 100,
    "valid_prompts": 10,
    "configs": {},
    "overrides": {},
}
NOT_INHERITED = ("stopped",)
"""What is said in a round's settings of the round itself."""
STAGES: tuple[str, ...] = (Stage.SFT.value, Stage.SAMPLE.value, Stage.REWARD.value, Stage.PPO.value)
"""What the steps of a round run."""
WRITERS = ("newest", "previous", "sft", "best_of", "demonstration")
LIMITS: Mapping[str, tuple[int, int]] = {
    "k": (2, 9),
    "overlap": (1, 20),
    "prompts": (1, 100_000),
    "valid_prompts": (0, 100_000),
    "best_of_n": (2, 64),
    "pool_factor": (2, 20),
}
SHARES = ("shared_fraction", "control_fraction")
CHOICES: Mapping[str, tuple[str, ...]] = {
    "choose_by": ("order", "random", "doubt"),
    "start_from": ("initialiser", "newest"),
    "pool": ("all", "round"),
}


def settle(chosen: Mapping[str, Any], *, inherited: Mapping[str, Any]) -> dict[str, Any]:
    """Return all settings of a round: those chosen, those of the round before it, and the defaults.

    Raises InvalidInput with every setting that makes no sense, what was found and what is allowed.
    """
    wrong: dict[str, str] = {}
    for key, value in chosen.items():
        wrong |= _wrong_in(key, value)
    if wrong:
        raise InvalidInput(" ".join(wrong.values()), fields=wrong)
    kept = {key: value for key, value in inherited.items() if key not in NOT_INHERITED}
    settled = {**DEFAULTS, **kept, **chosen}
    if (mix := settled["mix"]) and sum(mix.values()) != settled["k"]:
        text = f"mix adds up to {counted(sum(mix.values()), 'response')}, k is {settled['k']}."
        raise InvalidInput(text, fields={"mix": text})
    return settled


def _wrong_in(key: str, value: Any) -> dict[str, str]:
    """Return what is wrong with one setting, by the field that it belongs to; empty where nothing is."""
    if key == "overrides":
        return _wrong_overrides(value)
    if key in LIMITS:
        low, high = LIMITS[key]
        is_right = _is_number(value, int) and low <= value <= high
        text = "" if is_right else f"{key} is {value!r}; allowed is a whole number from {low} to {high}."
    elif key in SHARES:
        is_right = _is_number(value, int | float) and 0 <= value <= 1
        text = "" if is_right else f"{key} is {value!r}; allowed is a number from 0 to 1."
    elif key in CHOICES:
        allowed = ", ".join(CHOICES[key])
        text = "" if value in CHOICES[key] else f"{key} is {value!r}; allowed is one of {allowed}."
    elif key in CHECKS:
        text = CHECKS[key](value)
    else:
        text = f"{key} is no setting of a round; known are {', '.join(DEFAULTS)}."
    return {key: text} if text else {}


def _is_number(value: Any, kind: Any) -> bool:
    """Return whether a value is a number; true and false are none, though Python counts them as such."""
    return isinstance(value, kind) and not isinstance(value, bool)


def _wrong_configs(configs: Any) -> str:
    if not isinstance(configs, Mapping) or set(configs) - set(STAGES):
        return f"configs is {configs!r}; allowed is a mapping from {', '.join(STAGES)} to names of configs."
    found = []
    for stage, name in configs.items():
        fitting = [known for known in shipped_names() if shipped_config(known).stage == stage]
        if name not in fitting:
            found.append(f"There is no config {name!r} of the stage {stage}; there are {', '.join(fitting)}.")
    return " ".join(found)


def _wrong_overrides(overrides: Any) -> dict[str, str]:
    if not isinstance(overrides, Mapping) or set(overrides) - set(STAGES):
        text = f"overrides is {overrides!r}; allowed is a mapping from {', '.join(STAGES)} to lists of texts."
        return {"overrides": text}
    wrong = {}
    for stage, items in overrides.items():
        if not isinstance(items, list | tuple) or not all(isinstance(item, str) for item in items):
            wrong[f"overrides.{stage}"] = f'{stage} is {items!r}; allowed is a list such as ["seed=1"].'
            continue
        try:
            apply_overrides({"stage": stage}, items)
        except ConfigError as error:
            wrong[f"overrides.{stage}"] = " ".join(error.problems)
    return wrong


def _wrong_mix(mix: Any) -> str:
    if not isinstance(mix, Mapping) or set(mix) - set(WRITERS):
        return f"mix is {mix!r}; allowed is a mapping from {', '.join(WRITERS)} to numbers of responses."
    if any(not _is_number(count, int) or not 0 <= count <= 9 for count in mix.values()):
        return f"mix is {dict(mix)}; allowed are whole numbers from 0 to 9."
    return ""


def _wrong_automatic(value: Any) -> str:
    return "" if isinstance(value, bool) else f"is_automatic is {value!r}; allowed is true or false."


CHECKS: Mapping[str, Callable[[Any], str]] = {
    "gate": check_thresholds,
    "alarm": check_alarm,
    "mix": _wrong_mix,
    "configs": _wrong_configs,
    "is_automatic": _wrong_automatic,
}
