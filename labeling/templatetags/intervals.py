"""Shares with their intervals as small pictures: SVG from the server, which prints and needs no script."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()

REFERENCES = ((0.726, "Paper, training labelers"), (0.773, "Paper, held-out labelers"))
"""Ouyang et al. 2022, sec. 3.4: 72.6 ± 1.5 % and 77.3 ± 1.3 %."""
WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 640, 220, 60, 12, 28


@register.simple_tag
def interval_bar(value: float, low: float | None, high: float | None, chance: float) -> SafeString:
    """Draw a share from 0 to 1 as a dot on an axis, with its interval as a bar and chance as a mark."""
    return _bar(value, low, high, chance, ())


@register.simple_tag
def reference_bar(value: float, low: float | None, high: float | None, chance: float) -> SafeString:
    """Draw a share as `interval_bar` does, with the paper's figures as two longer marks."""
    return _bar(value, low, high, chance, [share for share, _ in REFERENCES])


def _bar(
    value: float, low: float | None, high: float | None, chance: float, references: Sequence[float]
) -> SafeString:
    left, right = value if low is None else low, value if high is None else high
    at = [f"{100 * share:.1f}" for share in (value, left, right, chance)]
    marks = format_html_join(
        "",
        '<line class="reference" x1="{0}" x2="{0}" y1="0" y2="12"/>',
        ((f"{100 * x:.1f}",) for x in references),
    )
    return format_html(
        '<svg class="interval-bar" viewBox="0 0 100 12" role="img" aria-label="{} %">'
        '<line class="axis" x1="0" x2="100" y1="6" y2="6"/>'
        '<line class="chance" x1="{}" x2="{}" y1="1" y2="11"/>{}'
        '<line class="range" x1="{}" x2="{}" y1="6" y2="6"/>'
        '<circle class="value" cx="{}" cy="6" r="2.5"/></svg>',
        at[0], at[3], at[3], marks, at[1], at[2], at[0],
    )  # fmt: skip


@register.simple_tag
def rate_chart(points: Sequence[Mapping[str, Any]], label: str, reference: float | None = None) -> SafeString:
    """Draw a rate over time: a line in the band of its 95 % interval, from 0 to 100 %.

    Each point is {at, value, low, high} with `at` as an ISO time. `reference` is a dashed level.
    """
    times = [datetime.fromisoformat(str(point["at"])) for point in points]
    first, last = times[0], times[-1]
    span = (last - first).total_seconds() or 1.0
    across = [LEFT + (WIDTH - LEFT - 8) * (time - first).total_seconds() / span for time in times]
    if len(points) == 1:
        across = [LEFT + (WIDTH - LEFT - 8) / 2]
    low = [f"{x:.1f},{_height(point['low'])}" for x, point in zip(across, points, strict=True)]
    high = [f"{x:.1f},{_height(point['high'])}" for x, point in zip(across, points, strict=True)]
    line = [f"{x:.1f},{_height(point['value'])}" for x, point in zip(across, points, strict=True)]
    return format_html(
        '<svg class="rate-chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}'
        '<polygon class="band" points="{}"/><polyline class="line" points="{}"/>{}'
        '<text x="{}" y="{}">{}</text><text class="end" x="{}" y="{}">{}</text></svg>',
        WIDTH, HEIGHT, label, _levels(), _reference(reference),
        " ".join((*high, *reversed(low))), " ".join(line), _dots(line),
        LEFT, HEIGHT - 6, f"{first:%-d %b %Y}", WIDTH - 8, HEIGHT - 6, f"{last:%-d %b %Y}",
    )  # fmt: skip


def _height(share: float) -> str:
    return f"{TOP + (1 - share) * (HEIGHT - TOP - BOTTOM):.1f}"


def _levels() -> SafeString:
    levels = ((_height(share), f"{100 * share:.0f} %") for share in (0, 0.25, 0.5, 0.75, 1))
    return format_html_join(
        "",
        '<line class="level" x1="{2}" x2="{3}" y1="{0}" y2="{0}"/>'
        '<text class="end" x="{4}" y="{0}" dy="4">{1}</text>',
        ((y, text, LEFT, WIDTH - 8, LEFT - 6) for y, text in levels),
    )


def _reference(share: float | None) -> SafeString:
    if share is None:
        return SafeString("")
    y = _height(share)
    return format_html('<line class="reference" x1="{}" x2="{}" y1="{}" y2="{}"/>', LEFT, WIDTH - 8, y, y)


def _dots(line: Sequence[str]) -> SafeString:
    shown = line if len(line) < 12 else line[-1:]
    return format_html_join(
        "", '<circle class="dot" cx="{}" cy="{}" r="3"/>', (tuple(point.split(",")) for point in shown)
    )


@register.filter
def heat(share: object) -> str:
    """Name the step of a share on a scale of five, from chance to full agreement, for a cell's tint."""
    if not isinstance(share, float):
        return ""
    return f"heat-{min(5, max(1, 1 + int((share - 0.5) * 10)))}"


@register.filter
def points(number: float | None) -> str:
    """Write a signed number of rating points with two digits; a dash where there is none."""
    return "–" if number is None else f"{number:+.2f}".replace("-", "−")


@register.filter
def coefficient(number: float | None) -> str:
    """Write a coefficient such as alpha with three digits; a dash where there is none."""
    return "–" if number is None else f"{number:.3f}".replace("-", "−")
