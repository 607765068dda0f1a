"""What labelers choose about their own work."""

from django.db import models

from labeling.models.labelers import Labeler

BREAK_AFTER_MINUTES = 50


class Preferences(models.Model):
    """One labeler's choices; a labeler without a row has the defaults."""

    labeler = models.OneToOneField(Labeler, on_delete=models.CASCADE, related_name="preferences")
    avoids_distressing = models.BooleanField(
        default=False, help_text="Prompts flagged as sensitive are not served."
    )
    break_after_minutes = models.PositiveSmallIntegerField(
        default=BREAK_AFTER_MINUTES,
        help_text="Minutes at work before a reminder of a break; 0 is never.",
    )

    class Meta:
        verbose_name_plural = "preferences"

    def __str__(self) -> str:
        return f"preferences of {self.labeler}"
