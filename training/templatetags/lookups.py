"""Mappings whose keys are only known when a page is drawn."""

import json
from collections.abc import Mapping

from django import template

register = template.Library()


@register.filter
def at(mapping: Mapping[object, object], key: object) -> object:
    """Return what stands under a key, None where nothing does."""
    return mapping.get(key)


@register.filter
def as_json(mapping: Mapping[str, object]) -> str:
    """Write a mapping as indented JSON, its letters as they are."""
    return json.dumps(mapping, indent=2, ensure_ascii=False)
