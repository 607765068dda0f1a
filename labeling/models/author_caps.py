"""How many prompts of one author are in use, as it was set and by whom."""

from django.db import models

from labeling.models.base import CodedModel
from labeling.models.labelers import User


class AuthorCap(CodedModel):
    """One setting of the cap on the prompts of one customer; the newest holds."""

    cap = models.PositiveIntegerField()
    set_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.cap} prompts an author"
