"""A share with its interval as a small picture."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def interval_bar(value: float, low: float | None, high: float | None, chance: float) -> SafeString:
    """Draw a share from 0 to 1 as a dot on an axis, with its interval as a bar and chance as a mark."""
    left, right = value if low is None else low, value if high is None else high
    at = [f"{100 * share:.1f}" for share in (value, left, right, chance)]
    return format_html(
        '<svg class="interval-bar" viewBox="0 0 100 12" role="img" aria-label="{} %">'
        '<line class="axis" x1="0" x2="100" y1="6" y2="6"/>'
        '<line class="chance" x1="{}" x2="{}" y1="1" y2="11"/>'
        '<line class="range" x1="{}" x2="{}" y1="6" y2="6"/>'
        '<circle class="value" cx="{}" cy="6" r="2.5"/></svg>',
        at[0], at[3], at[3], at[1], at[2], at[0],
    )  # fmt: skip
