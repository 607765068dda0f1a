"""Numbers and times as people read them."""

from django import template

register = template.Library()


@register.filter
def short(value: object) -> str:
    """Write a number with four significant digits, from ten thousand on as a whole one; a dash for none."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    is_whole = isinstance(value, int) or 10_000 <= abs(value) < 1e15  # no exponent where the digits are few
    return f"{value:,.0f}" if is_whole else f"{value:.4g}"


@register.filter
def clock(hours: float | None) -> str:
    """Write hours as times at work stand elsewhere, 3:42; what is under a minute says so."""
    if hours is None:
        return "–"
    minutes = round(hours * 60)
    return f"{minutes // 60:,}:{minutes % 60:02d}" if minutes or not hours else "under 0:01"


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
