"""Read nested dataclasses from plain mappings and say everything that is wrong with them at once.

Standard library only. `stage_configs.py` says which settings exist; this file knows how one is declared,
checked, described and written as TOML.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")
_HINTS: dict[type, Mapping[str, Any]] = {}


class ConfigError(ValueError):
    """A config that cannot be used. `problems` has one sentence for each thing that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


@dataclasses.dataclass(frozen=True)
class Field:
    """One setting of a stage, as a form or a help page needs it.

    key       dotted, as in the TOML file: "ppo.kl_coef"
    type      "int", "float", "bool", "str" or "floats" (a fixed number of floats)
    optional  True if the setting may be left out and then means "none"
    paper     the paper's value and where it stands, empty where the paper is silent
    """

    key: str
    type: str
    default: Any
    choices: tuple[Any, ...]
    help: str
    paper: str
    optional: bool
    minimum: float | None
    maximum: float | None

    @property
    def section(self) -> str:
        """The TOML table this setting stands in, empty for the top of the file."""
        return self.key.rpartition(".")[0]

    @property
    def allowed(self) -> str:
        """Say in words which values are accepted."""
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
        text = words.get(self.type) or f"a list of {len(self.default)} numbers"
        if self.minimum is not None and self.maximum is not None:
            return f"{text} from {_bound(self.minimum)} to {_bound(self.maximum)}"
        if self.minimum is not None:
            return f"{text}, {_bound(self.minimum)} or more"
        return text if self.maximum is None else f"{text}, at most {_bound(self.maximum)}"


_FIELDS: dict[type, tuple[Field, ...]] = {}
"""What was found out about each config class, once in a process, as in _HINTS."""


def setting(
    default: Any,
    help: str,
    *,
    choices: tuple[Any, ...] = (),
    at_least: float | None = None,
    at_most: float | None = None,
    paper: str = "",
) -> Any:
    """Declare one setting: its default, a sentence of help, what is allowed, and the paper's value."""
    about = {"help": help, "choices": choices, "minimum": at_least, "maximum": at_most, "paper": paper}
    return dataclasses.field(default=default, metadata=about)


def section(kind: type[T], *, paper: Mapping[str, str] | None = None, **defaults: Any) -> T:
    """Declare a section, with defaults and paper values of its own for this stage."""
    return dataclasses.field(default_factory=lambda: kind(**defaults), metadata={"paper": dict(paper or {})})


def fields_of(config_type: type[Any]) -> tuple[Field, ...]:
    """List the settings of a config class in file order: the top first, then each section."""
    if config_type not in _FIELDS:
        _FIELDS[config_type] = tuple(_fields(config_type))
    return _FIELDS[config_type]


def _fields(config_type: type[Any]) -> Iterator[Field]:
    default = config_type()
    hints = _hints(config_type)
    parts = dataclasses.fields(config_type)
    for part in parts:
        if not dataclasses.is_dataclass(hints[part.name]):
            yield _field(part.name, part, hints[part.name], default, "")
    for part in parts:
        if not dataclasses.is_dataclass(hints[part.name]):
            continue
        inner_type: Any = hints[part.name]
        inner_hints = _hints(inner_type)
        for inner in dataclasses.fields(inner_type):
            key = f"{part.name}.{inner.name}"
            paper = part.metadata["paper"].get(inner.name, "")
            yield _field(key, inner, inner_hints[inner.name], getattr(default, part.name), paper)


def _hints(config_type: type[Any]) -> Mapping[str, Any]:
    if config_type not in _HINTS:
        _HINTS[config_type] = typing.get_type_hints(config_type)
    return _HINTS[config_type]


def _field(key: str, part: dataclasses.Field[Any], hint: Any, default: Any, paper: str) -> Field:
    optional = isinstance(hint, types.UnionType)
    plain = next(arg for arg in typing.get_args(hint) if arg is not types.NoneType) if optional else hint
    about = part.metadata
    return Field(
        key=key,
        type="floats" if typing.get_origin(plain) is tuple else plain.__name__,
        default=getattr(default, part.name),
        choices=about["choices"],
        help=about["help"],
        paper=paper or about["paper"],
        optional=optional,
        minimum=about["minimum"],
        maximum=about["maximum"],
    )


def read(config_type: type[T], mapping: Mapping[str, Any]) -> T:
    """Build a config from a mapping. Raises ConfigError with every unknown key and wrong value."""
    known = {field.key: field for field in fields_of(config_type)}
    problems: list[str] = []
    values: dict[str, Any] = {}
    for key, value in flatten(mapping).items():
        field = known.get(key)
        if field is None:
            problems.append(unknown_key(key, known))
            continue
        problem = _check(field, value)
        if problem:
            problems.append(problem)
        else:
            values[key] = _convert(field, value)
    if problems:
        raise ConfigError(problems)
    hints = _hints(config_type)
    top: dict[str, Any] = {key: value for key, value in values.items() if "." not in key}
    default = config_type()
    for part in dataclasses.fields(typing.cast(Any, config_type)):
        if dataclasses.is_dataclass(hints[part.name]):
            prefix = f"{part.name}."
            given = {key.removeprefix(prefix): v for key, v in values.items() if key.startswith(prefix)}
            top[part.name] = dataclasses.replace(getattr(default, part.name), **given)
    return config_type(**top)


def flatten(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Turn {"ppo": {"clip": 0.2}} into {"ppo.clip": 0.2}."""
    flat: dict[str, Any] = {}
    for name, value in mapping.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{inner}": inner_value for inner, inner_value in value.items()})
        else:
            flat[name] = value
    return flat


def unknown_key(key: str, known: Mapping[str, Field]) -> str:
    """Say that a key does not exist and name the nearest ones that do."""
    section, _, last = key.rpartition(".")
    inside = [name.rpartition(".")[2] for name, field in known.items() if field.section == section]
    near = [name for name in known if name.rpartition(".")[2] == last][:1]
    near = near or [f"{section}.{name}" for name in difflib.get_close_matches(last, inside, n=1) if section]
    near = near or difflib.get_close_matches(key, known, n=1, cutoff=0.75)
    sections = sorted({field.section for field in known.values() if field.section})
    if near:
        hint = f"did you mean {near[0]}?"
    elif section and inside:
        hint = f"{section} has {', '.join(inside)}."
    else:
        hint = f"the sections are {', '.join(sections)}."
    return f"{key} is not a known setting; {hint}"


def _bound(number: float) -> str:
    """Write a limit in full: one that is rounded would name a value that is refused."""
    return str(int(number)) if number == int(number) else repr(number)


def _check(field: Field, value: Any) -> str | None:
    wrong = f"{field.key} is {json.dumps(value, default=str)}; allowed is {field.allowed}."
    if field.type == "bool":
        return None if isinstance(value, bool) else wrong
    if field.type == "str":
        if not isinstance(value, str) or (field.choices and value not in field.choices):
            return wrong
        return None if value or field.default == "" else wrong
    numbers = value if field.type == "floats" and isinstance(value, list | tuple) else [value]
    if field.type == "floats" and len(numbers) != len(field.default):
        return wrong
    for number in numbers:
        whole = isinstance(number, int) and not isinstance(number, bool)
        if not whole and (field.type == "int" or not isinstance(number, float) or not math.isfinite(number)):
            return wrong
        if field.minimum is not None and number < field.minimum:
            return wrong
        if field.maximum is not None and number > field.maximum:
            return wrong
        if field.choices and number not in field.choices:
            return wrong
    return None


def _convert(field: Field, value: Any) -> Any:
    if field.type == "float":
        return float(value)
    return tuple(float(number) for number in value) if field.type == "floats" else value


def to_mapping(config: Any) -> dict[str, Any]:
    """Turn a config into nested plain values as TOML holds them; settings that are None are left out."""
    mapping: dict[str, Any] = {}
    for part in dataclasses.fields(config):
        value = getattr(config, part.name)
        if dataclasses.is_dataclass(value):
            mapping[part.name] = to_mapping(value)
        elif value is not None:
            mapping[part.name] = list(value) if isinstance(value, tuple) else value
    return mapping


def to_toml(config: Any) -> str:
    """Write a config as TOML that reads back equal."""
    mapping = to_mapping(config)
    lines = [f"{key} = {_toml(value)}" for key, value in mapping.items() if not isinstance(value, dict)]
    for name, table in mapping.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]"] + [f"{key} = {_toml(value)}" for key, value in table.items()]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)
