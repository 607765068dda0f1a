"""What labelers choose about their own work: distressing material, reminders of breaks."""

from labeling.errors import InvalidInput
from labeling.models import Labeler, Preferences

MAX_MINUTES = 480


def preferences_of(labeler: Labeler) -> Preferences:
    """Return a labeler's choices, the defaults where they have made none."""
    try:
        return labeler.preferences
    except Preferences.DoesNotExist:
        return Preferences(labeler=labeler)


def choose(*, labeler: Labeler, avoids_distressing: bool, break_after_minutes: int) -> Preferences:
    """Store a labeler's choices; they hold from the next task on."""
    if not 0 <= break_after_minutes <= MAX_MINUTES:
        raise InvalidInput(
            f"break_after_minutes is {break_after_minutes}, must be 0 to {MAX_MINUTES}.",
            fields={"break_after_minutes": "out of range"},
        )
    chosen, _ = Preferences.objects.update_or_create(
        labeler=labeler,
        defaults={"avoids_distressing": avoids_distressing, "break_after_minutes": break_after_minutes},
    )
    return chosen
