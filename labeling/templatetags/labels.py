"""The words for stored codes that stand in lists."""

from collections.abc import Iterable

from django import template

from labeling.models import Cohort

register = template.Library()


@register.filter
def cohort_names(cohorts: Iterable[str]) -> str:
    """Name the cohorts of a batch; one that is no longer known stands as it was stored."""
    return ", ".join(Cohort(value).label if value in Cohort.values else str(value) for value in cohorts)
