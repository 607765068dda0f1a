"""Reading one row of an import: named values of the right type, or a fault that says what was found."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime

from labeling.rules.intake import MALFORMED, RowFault
from labeling.rules.texts import fault_in, fault_in_json

MAX_ID_CHARACTERS = 120


def text_in(row: Mapping[str, Any], key: str) -> str:
    """Return the text under `key`; RowFault if it is missing, of another type, or cannot be stored."""
    if row.get(key) is None:
        raise RowFault(MALFORMED, f'"{key}" is missing')
    return storable(row[key], key)


def storable(value: object, name: str) -> str:
    """Return `value` if it is text that can be stored."""
    fault = fault_in(value)
    if fault:
        raise RowFault(MALFORMED, f'"{name}" {fault}')
    return str(value)


def identifier_in(row: Mapping[str, Any], key: str) -> str:
    """Return the short name under `key`, given as text or whole number; empty if it is missing."""
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    name = storable(value, key).strip()
    if len(name) > MAX_ID_CHARACTERS:
        raise RowFault(
            MALFORMED, f'"{key}" has {len(name)} characters, at most {MAX_ID_CHARACTERS} are allowed'
        )
    return name


def choice_in(row: Mapping[str, Any], key: str, allowed: Sequence[str]) -> str:
    """Return the value under `key` as one of `allowed`, whatever its case, "Open QA" like open_qa."""
    name = identifier_in(row, key)
    value = name.lower().replace(" ", "_").replace("-", "_")
    if value and value not in allowed:
        raise RowFault(MALFORMED, f'"{key}" is "{name}", must be one of {", ".join(allowed)}')
    return value


def time_in(row: Mapping[str, Any], key: str) -> datetime | None:
    """Return the ISO 8601 time (or Unix seconds) under `key`; UTC where it names no zone."""
    value = row.get(key)
    if value is None or value == "":
        return None
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, tz=UTC)
        moment = parse_datetime(str(value))
        if moment is None and (day := parse_date(str(value))) is not None:
            moment = datetime(day.year, day.month, day.day)
    except (ValueError, OverflowError, OSError):
        moment = None
    if moment is None:
        raise RowFault(
            MALFORMED, f'"{key}" is "{str(value)[:40]}", must be a time such as 2026-11-20T12:00:00Z'
        )
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def tags_in(row: Mapping[str, Any], key: str = "tags") -> dict[str, bool]:
    """Return tags as name to yes/no; a list of names means yes to each, as does text such as "a;b"."""
    value = row.get(key)
    if value is None or value == "":
        return {}
    if isinstance(value, str):
        value = _json_or_names(value)
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        value = dict.fromkeys(value, True)
    if not isinstance(value, dict) or not all(isinstance(answer, bool) for answer in value.values()):
        raise RowFault(MALFORMED, f'"{key}" must be a list of names or names with true or false')
    fault = fault_in_json(value)
    if fault:
        raise RowFault(MALFORMED, f'"{key}" {fault}')
    return {str(name).strip().lower().replace(" ", "_"): answer for name, answer in value.items()}


def mapping_in(row: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object under `key`, empty if it is missing."""
    value = row.get(key)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise RowFault(MALFORMED, f'"{key}" is {type(value).__name__}, must be an object')
    fault = fault_in_json(value)
    if fault:
        raise RowFault(MALFORMED, f'"{key}" {fault}')
    return value


def whole_number(value: object, name: str, low: int, high: int) -> int:
    """Return `value` if it is a whole number from `low` to `high`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise RowFault(MALFORMED, f'"{name}" is {str(value)[:40]}, must be a whole number {low} to {high}')
    return value


def _json_or_names(value: str) -> object:
    if value.lstrip().startswith(("{", "[")):
        try:
            return json.loads(value)
        except ValueError:
            return None
    return [name for name in value.replace(",", ";").split(";") if name.strip()]
