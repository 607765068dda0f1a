"""The settings of a training run: one TOML file, one frozen dataclass per stage.

Standard library only, so that the web side can reject a bad run before it is queued. Unknown keys, wrong
types and wrong ranges are refused together in one ConfigError. Paths are read relative to the folder of the
TOML file. `describe` lists the settings with help and the paper's values, to build forms from.
"""

from __future__ import annotations

import copy
import functools
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from training.rlhf.benchmark_configs import BenchmarkConfig
from training.rlhf.policy_configs import DpoConfig, PpoConfig
from training.rlhf.schema import ConfigError, Field, fields_of, flatten, read, unknown_key
from training.rlhf.schema import to_mapping as to_mapping
from training.rlhf.schema import to_toml as dump_config
from training.rlhf.sections import StageConfig
from training.rlhf.stage_configs import (
    STAGES,
    EvaluateConfig,
    PretrainConfig,
    RewardConfig,
    SampleConfig,
    SftConfig,
)

__all__ = [
    "STAGES",
    "BenchmarkConfig",
    "ConfigError",
    "DpoConfig",
    "EvaluateConfig",
    "Field",
    "PpoConfig",
    "PretrainConfig",
    "RewardConfig",
    "SampleConfig",
    "SftConfig",
    "StageConfig",
    "apply_overrides",
    "describe",
    "dump_config",
    "flatten",
    "load_config",
    "parse_config",
    "shipped_config",
    "shipped_names",
    "to_mapping",
]

SHIPPED = Path(__file__).parent / "configs"


def load_config(path: Path | str) -> StageConfig:
    """Read and check a run.toml. Raises ConfigError, also where the file is missing or is no TOML."""
    try:
        mapping = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError([f"config file {path} does not exist."]) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError([f"config file {path} is not valid TOML: {error}."]) from None
    return parse_config(_stage_of(mapping), mapping)


def parse_config(stage: str, mapping: Mapping[str, Any]) -> StageConfig:
    """Check a nested mapping against a stage. Raises ConfigError with every problem found."""
    config = read(_config_type(stage), {"stage": stage, **mapping})
    if problems := config.problems():
        raise ConfigError(problems)
    return config


def apply_overrides(mapping: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a copy of a config mapping with "section.key=value" items put in.

    Values are read as TOML, else as plain text. Raises ConfigError for an item without "="
    for a key that the mapping's stage does not have.
    """
    changed: dict[str, Any] = copy.deepcopy(dict(mapping))
    known = {field.key: field for field in describe(_stage_of(mapping))}
    problems = []
    for item in overrides:
        key, equals, text = (part.strip() for part in item.partition("="))
        if not equals:
            problems.append(f"{item} is no override; write key=value such as seed=1.")
        elif key not in known:
            problems.append(unknown_key(key, known))
        else:
            name, _, last = key.rpartition(".")
            (changed.setdefault(name, {}) if name else changed)[last] = _value(text, known[key])
    if problems:
        raise ConfigError(problems)
    return changed


def describe(stage: str) -> list[Field]:
    """List the settings of a stage in file order, to build a form or a page of help."""
    return list(fields_of(_config_type(stage)))


def shipped_names() -> list[str]:
    """Names of the configs that come with the project, such as tiny_sft."""
    return sorted(path.stem for path in SHIPPED.glob("*.toml"))


@functools.cache
def shipped_config(name: str) -> StageConfig:
    """Load a config that comes with the project, once. Raises ConfigError for a name that does not exist."""
    if name not in shipped_names():
        raise ConfigError([f"{name} is not a shipped config; there are {', '.join(shipped_names())}."])
    return load_config(SHIPPED / f"{name}.toml")


def _config_type(stage: str) -> type[StageConfig]:
    if stage not in STAGES:
        raise ConfigError([f"stage is {stage!r}; allowed is one of {', '.join(STAGES)}."])
    return STAGES[stage]


def _stage_of(mapping: Mapping[str, Any]) -> str:
    return str(flatten(mapping).get("stage", "missing"))


def _value(text: str, field: Field) -> Any:
    if field.type == "str" and not text.startswith(('"', "'")):
        return text
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
