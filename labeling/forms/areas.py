"""Text of several lines, as the person who typed it sees it."""

from collections.abc import Mapping
from typing import Any

from django import forms


def as_typed(text: str) -> str:
    """Return what a browser sent with the line ends that were typed."""
    return text.replace("\r\n", "\n")


class Area(forms.Textarea):
    """A field of several lines. Browsers send their ends as CR LF; LF is what was typed and is stored."""

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> Any:
        value = super().value_from_datadict(data, files, name)
        return as_typed(value) if isinstance(value, str) else value
