"""Whether the clock is alive, which starts what goes on by itself and takes up the runs of dead workers."""

from django.core.cache import cache
from django.utils import timezone

KEY = "clock-heard-at"
SILENT_SECONDS = 180
"""Several times as long as between two ticks: the worker that hears them does other short tasks too."""


def hear_clock() -> None:
    """Write down that the clock has ticked."""
    cache.set(KEY, timezone.now(), None)


def is_clock_silent() -> bool:
    """Return whether nobody has heard the clock for too long, or ever."""
    heard = cache.get(KEY)
    return heard is None or (timezone.now() - heard).total_seconds() > SILENT_SECONDS
