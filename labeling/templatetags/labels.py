"""The words for stored codes that stand in lists."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import template
from django.utils.dateparse import parse_datetime
from django.utils.formats import date_format
from django.utils.timezone import is_aware, localtime

from labeling.models import Category, Cohort, TaskKind
from labeling.rules.workload import MOST_COUNTED

register = template.Library()
UNSHOWN = ("overlaps",)
"""What an audit row keeps for undoing, too long to be read."""
UNDONE_BY = {
    "pause_batch": "resume it",
    "resume_batch": "pause it again",
    "close_batch": "reopen it",
    "reopen_batch": "close it again",
    "change_batch": "change it back",
    "balance_batch": "change it back",
    "withdraw_slots": "open the slots again",
}


@register.filter
def cohort_names(cohorts: Iterable[str]) -> str:
    """Name the cohorts of a batch; one that is no longer known stands as it was stored."""
    return ", ".join(Cohort(value).label if value in Cohort.values else str(value) for value in cohorts)


@register.filter
def cohort_name(cohort: str) -> str:
    """Name a cohort."""
    return cohort_names([cohort])


@register.filter
def kind_names(kinds: Iterable[str]) -> str:
    """Name kinds of tasks; one that is no longer known stands as it was stored."""
    return ", ".join(TaskKind(value).label if value in TaskKind.values else str(value) for value in kinds)


@register.filter
def category_name(category: str) -> str:
    """Name a prompt's category; a dash where it is not known."""
    return str(Category(category).label) if category in Category.values else category or "–"


@register.filter
def open_words(number: int) -> str:
    """Say how many tasks wait for a labeler, who are counted up to a number."""
    return f"{MOST_COUNTED:,} or more" if number >= MOST_COUNTED else str(number)


@register.filter
def flag_name(key: str) -> str:
    """Write a flag's key as words."""
    return key.replace("_", " ")


@register.filter
def action_words(action: str) -> str:
    """Say what an audit row names: "pause_batch" as "Pause batch"."""
    return action.replace("_", " ").capitalize()


@register.filter
def undo_words(action: str) -> str:
    """Say what undoing a change of a batch does; where that was an undoing itself, it does it again."""
    return UNDONE_BY.get(action, "put it back")


@register.filter
def version_words(version: str) -> str:
    """Name the instructions of a label as datasets keep them: "comparison-v2"; others as they stand."""
    if version == "none":
        return "No instructions known"
    kind, _, number = version.rpartition("-v")
    if kind not in TaskKind.values:
        return f"Instructions {version}"
    return f"{TaskKind(kind).label} guideline, version {number}"


@register.filter
def value_words(value: Any) -> str:
    """Write a stored value: the items of a list, yes or no; a dash where there is nothing."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        value = ", ".join(str(item) for item in value)
    return "–" if value in (None, "") else str(value)


@register.filter
def detail_words(detail: Mapping[str, Any]) -> str:
    """Say what an audit row holds in a line: names and values, empty ones left out."""
    parts = []
    for name, value in detail.items():
        if name in UNSHOWN or value in (None, "", [], {}):
            continue
        if isinstance(value, Mapping):
            value = ", ".join(f"{_name(key)} {_named_value(key, inner)}" for key, inner in value.items())
        else:
            value = _named_value(name, value)
        parts.append(f"{_name(name)}: {value}")
    return "; ".join(parts)


def _name(key: str) -> str:
    return flag_name(key.removesuffix("_seconds").removesuffix("_at"))


def _named_value(name: str, value: Any) -> str:
    """Write a value as its name asks: a lease in minutes, a time as a time, kinds and cohorts by name."""
    if name.endswith("_seconds") and isinstance(value, int):
        return f"{value / 60:g} min"
    if name.endswith("_at") and isinstance(value, str) and (time := parse_datetime(value)) is not None:
        return date_format(localtime(time) if is_aware(time) else time, "j M Y, H:i")
    if name in ("cohort", "cohorts"):
        return cohort_names([value] if isinstance(value, str) else value)
    if name in ("kind", "kinds"):
        return kind_names([value] if isinstance(value, str) else value)
    return value_words(value)
