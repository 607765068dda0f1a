"""Values with their intervals, one row each, as a chart: SVG from the server, for screen and paper.

Places across are shares of the width, so that letters keep their size on every screen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from training.rules.evaluation_panels import Mark, Scale

register = template.Library()

ROW, TOP, FOOT = 38, 6, 22


@dataclass(frozen=True)
class _Drawn:
    """A mark in the units of the picture: shares of the width and points from the top."""

    y: int
    value: str
    low: str
    high: str


@register.simple_tag
def interval_chart(marks: Sequence[Mark], label: str, scale: Scale) -> SafeString:
    """Draw each mark's value and 95 % interval on a scale: a dot, or a bar where it starts from none."""
    bottom = TOP + ROW * len(marks)
    rows = ((_row(mark, scale, TOP + ROW * place),) for place, mark in enumerate(marks))
    return format_html(
        '<svg class="interval-chart" width="100%" height="{}" role="img" aria-label="{}">{}{}</svg>',
        bottom + FOOT, label, _levels(scale, bottom),
        format_html_join("", "{}", rows),
    )  # fmt: skip


def _row(mark: Mark, scale: Scale, top: int) -> SafeString:
    name = format_html('<text class="name" x="0" y="{}">{}</text>', top + 13, mark.name)
    if mark.value is None:
        return format_html('{}<text class="end" x="100%" y="{}">none</text>', name, top + 13)
    low, high = (mark.value if end is None else end for end in (mark.low, mark.high))
    drawn = _Drawn(top + 25, *(_across(scale, x) for x in (mark.value, low, high)))
    figure = scale.text(mark.value)
    shape = (
        _bar(drawn)
        if scale.is_bars
        else format_html('<circle class="value" cx="{}" cy="{}" r="5"/>', drawn.value, drawn.y)
    )
    return format_html(
        '{}<text class="end" x="100%" y="{}">{}</text>{}{}', name, top + 13, figure,
        *((shape, _range(drawn)) if scale.is_bars else (_range(drawn), shape)),
    )  # fmt: skip


def _bar(drawn: _Drawn) -> SafeString:
    return format_html('<rect class="bar" x="0" y="{}" width="{}" height="12"/>', drawn.y - 6, drawn.value)


def _range(drawn: _Drawn) -> SafeString:
    ends = format_html_join(
        "", '<line class="range" x1="{0}" x2="{0}" y1="{1}" y2="{2}"/>',
        ((x, drawn.y - 5, drawn.y + 5) for x in (drawn.low, drawn.high)),
    )  # fmt: skip
    return format_html(
        '<line class="range" x1="{}" x2="{}" y1="{}" y2="{}"/>{}',
        drawn.low,
        drawn.high,
        drawn.y,
        drawn.y,
        ends,
    )


def _levels(scale: Scale, bottom: int) -> SafeString:
    last = len(scale.ticks) - 1
    anchors = ["" if place == 0 else "end" if place == last else "middle" for place in range(last + 1)]
    return format_html_join(
        "",
        '<line class="{3}" x1="{0}" x2="{0}" y1="0" y2="{1}"/><text class="{4}" x="{0}" y="{2}">{5}</text>',
        (
            (
                _across(scale, tick),
                bottom,
                bottom + 16,
                "even" if tick == scale.even else "level",
                anchor,
                scale.text(tick, is_tick=True),
            )
            for tick, anchor in zip(scale.ticks, anchors, strict=True)
        ),
    )


def _across(scale: Scale, value: float) -> str:
    low, high = scale.ticks[0], scale.ticks[-1]
    return f"{100 * min(1.0, max(0.0, (value - low) / (high - low))):.2f}%"
