"""Differences on public sets as people read them."""

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from training.rules.benchmark_figures import HIGHEST, Tax

register = template.Library()


@register.filter
def signed(value: float | None) -> str:
    """Write a number with its sign and three significant digits; a dash where there is none."""
    return "–" if value is None else f"{value:+.3g}".replace("-", "−")


@register.simple_tag
def difference_bar(tax: Tax) -> SafeString:
    """Draw a difference as a dot with its interval on an axis from minus to plus half the measure's range."""
    half = HIGHEST.get(tax.metric, 1.0) / 2
    found = tax.difference
    ends = (found.value if end is None else end for end in (found.low, found.high))
    low, high, value = (_place(x / half) for x in (*ends, found.value))
    return format_html(
        '<svg class="interval-bar" viewBox="0 0 100 12" role="img" aria-label="{}">'
        '<line class="axis" x1="0" x2="100" y1="6" y2="6"/>'
        '<line class="chance" x1="50" x2="50" y1="1" y2="11"/>'
        '<line class="range" x1="{}" x2="{}" y1="6" y2="6"/>'
        '<circle class="value" cx="{}" cy="6" r="2.5"/></svg>',
        signed(found.value), low, high, value,
    )  # fmt: skip


def _place(share: float) -> str:
    return f"{min(100.0, max(0.0, 50 + 50 * share)):.1f}"
