"""How often one person may ask for a task, so that nobody leafs through the queue for tasks they like.

Each process counts for itself, in windows of a minute: asking a shared cache would take longer than finding
the task, and somebody who leafs is stopped all the same.
"""

import time
from datetime import datetime

from django.conf import settings

from labeling.errors import TooMany
from labeling.models import User
from labeling.rules.texts import counted

WINDOW_SECONDS = 60
_counts: dict[tuple[int, datetime], tuple[int, int]] = {}
"""By account: the window counted last and the claims in it."""


def count_claim(user: User) -> None:
    """Count one claim by page or API. Raises TooMany beyond CLAIMS_PER_MINUTE."""
    window = int(time.time() // WINDOW_SECONDS)
    account = (user.pk, user.date_joined)
    counted_last, claims = _counts.get(account, (window, 0))
    claims = claims + 1 if counted_last == window else 1
    _counts[account] = (window, claims)
    if claims > settings.CLAIMS_PER_MINUTE:
        raise TooMany(
            f"You have asked for a task more than {counted(settings.CLAIMS_PER_MINUTE, 'time')} within a "
            f"minute; ask again in {counted(seconds_left(), 'second')}."
        )


def seconds_left() -> int:
    """Return in how many seconds the next minute begins."""
    return max(1, round(WINDOW_SECONDS - time.time() % WINDOW_SECONDS))
