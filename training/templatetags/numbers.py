"""Numbers and times as people read them."""

from django import template

register = template.Library()


@register.filter
def short(value: object) -> str:
    """Write a number with four significant digits; a dash where there is none."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


@register.filter
def duration(seconds: float | None) -> str:
    """Write a time as "40 s", "12 min" or "3 h 05 min"; a dash where there is none."""
    if seconds is None:
        return "–"
    seconds = max(0, round(seconds))
    if seconds < 90:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


@register.filter
def signed_percent(fraction: float | None) -> str:
    """Write a share without digits after the point; a dash where there is none."""
    return "–" if fraction is None else f"{100 * fraction:.0f} %"
