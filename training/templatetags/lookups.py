"""Values of mappings whose keys are only known when a page is drawn."""

from collections.abc import Mapping

from django import template

register = template.Library()


@register.filter
def at(mapping: Mapping[object, object], key: object) -> object:
    """Return what stands under a key, None where nothing does."""
    return mapping.get(key)
