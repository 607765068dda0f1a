"""The words for stored codes that stand in lists."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import template

from labeling.models import Category, Cohort, TaskKind
from labeling.rules.workload import MOST_COUNTED

register = template.Library()
UNSHOWN = ("overlaps",)
"""What an audit row keeps for undoing, too long to be read."""


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
            value = ", ".join(f"{key} {inner}" for key, inner in value.items())
        else:
            value = value_words(value)
        parts.append(f"{name.replace('_', ' ')}: {value}")
    return "; ".join(parts)
