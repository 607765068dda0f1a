"""From which share of skipped tasks on managers look closer, as it was set and by whom."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from labeling.models.base import CodedModel
from labeling.models.labelers import User


class SkipAttention(CodedModel):
    """One setting of the share of skips that deserves attention; the newest holds. It only ever shows."""

    percent = models.PositiveSmallIntegerField(validators=(MinValueValidator(1), MaxValueValidator(100)))
    least_tasks = models.PositiveIntegerField(help_text="Finished tasks below which a share says nothing.")
    set_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.percent} % of {self.least_tasks} tasks or more"
