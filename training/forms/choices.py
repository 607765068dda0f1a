"""Choosing one of many rows, or several."""

from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class LongSelect(forms.Select):
    """A list of choices written in one go: Django's own renders a template for each of them."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        widget = self.get_context(name, value, attrs)["widget"]
        options = (
            (option["value"], flatatt(option["attrs"]) if option["attrs"] else "", option["label"])
            for _, group, _ in widget["optgroups"]
            for option in group
        )
        listed = format_html_join("\n", '<option value="{}"{}>{}</option>', options)
        return format_html(
            '<select name="{}"{}>{}</select>', widget["name"], flatatt(widget["attrs"]), listed
        )


class LongSelectMultiple(LongSelect, forms.SelectMultiple):
    """The same where several may be chosen."""
