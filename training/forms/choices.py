"""Choosing one of many rows, or several."""

from typing import Any

from django import forms
from django.forms.models import ModelChoiceIterator
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class LongSelect(forms.Select):
    """A list of choices written in one go: Django's own renders a template for each of them."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        widget = forms.Widget.get_context(self, name, value, attrs)["widget"]
        if self.allow_multiple_selected:
            widget["attrs"]["multiple"] = True
        chosen = set(self.format_value(value))
        options = ((key, " selected" if str(key) in chosen else "", label) for key, label in self.choices)
        listed = format_html_join("\n", '<option value="{}"{}>{}</option>', options)
        return format_html(
            '<select name="{}"{}>{}</select>', widget["name"], flatatt(widget["attrs"]), listed
        )

    def use_required_attribute(self, initial: Any) -> bool:
        """Answer as Django does, without reading the first row to see whether it is the empty choice."""
        if isinstance(self.choices, ModelChoiceIterator) and not self.allow_multiple_selected:
            return not self.is_hidden and self.choices.field.empty_label is not None
        return super().use_required_attribute(initial)


class LongSelectMultiple(LongSelect, forms.SelectMultiple):
    """The same where several may be chosen."""
