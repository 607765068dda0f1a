"""Fields written in one go: Django's own widgets render a template for each field and each choice."""

from collections.abc import Collection, Iterable
from typing import Any

from django import forms
from django.forms.models import ModelChoiceIterator
from django.forms.utils import flatatt
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe


def write_options(choices: Iterable[tuple[str, object]], chosen: Collection[str] = ()) -> SafeString:
    """Write values with their labels as options of a list."""
    options = (
        f'<option value="{escape(key)}"{" selected" if key in chosen else ""}>{escape(label)}</option>'
        for key, label in choices
    )
    return mark_safe("\n".join(options))  # each part is escaped


class LongSelect(forms.Select):
    """A list of choices, which may be long."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        widget = forms.Widget.get_context(self, name, value, attrs)["widget"]
        if self.allow_multiple_selected:
            widget["attrs"]["multiple"] = True
        listed = self.written_options(set(self.format_value(value)))
        return format_html(
            '<select name="{}"{}>{}</select>', widget["name"], flatatt(widget["attrs"]), listed
        )

    def written_options(self, chosen: set[str]) -> SafeString:
        """Write the choices, those that are chosen marked."""
        return write_options(((str(key), label) for key, label in self.choices), chosen)

    def use_required_attribute(self, initial: Any) -> bool:
        """Answer as Django does, without reading the first row to see whether it is the empty choice."""
        if isinstance(self.choices, ModelChoiceIterator) and not self.allow_multiple_selected:
            return not self.is_hidden and self.choices.field.empty_label is not None
        return super().use_required_attribute(initial)


class SharedSelect(LongSelect):
    """A list of rows that several fields of a form offer: they are read and written once."""

    def __init__(self, written: SafeString, attrs: Any = None) -> None:
        super().__init__(attrs)
        self.written = written

    def written_options(self, chosen: set[str]) -> SafeString:
        """Write the empty choice, and mark in what was written before which row is chosen."""
        empty = self.choices.field.empty_label if isinstance(self.choices, ModelChoiceIterator) else None
        first = write_options([("", empty)], chosen) if empty is not None else SafeString()
        rest = str(self.written)
        for key in chosen - {""}:
            value = f'value="{escape(key)}"'
            rest = rest.replace(value, f"{value} selected", 1)
        return mark_safe(first + rest)  # both parts are escaped


class LongSelectMultiple(LongSelect, forms.SelectMultiple):
    """The same where several may be chosen."""


class PlainInput(forms.TextInput):
    """A line of text."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        shown = self.format_value(value)
        given = {} if shown is None else {"value": shown}
        attributes = {"type": self.input_type, "name": name, **given, **self.build_attrs(self.attrs, attrs)}
        return format_html("<input{}>", flatatt(attributes))
