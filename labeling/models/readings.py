"""What labelers take responses to say before they see the prompt."""

from django.db import models
from django.utils import timezone

from labeling.models.assignments import Assignment
from labeling.models.base import RowModel
from labeling.models.policies import Response


class Reading(RowModel):
    """One labeler's words about one response, written before the prompt was shown to them.

    The "naive interpretation" of Stiennon et al. 2020. `cannot_tell` says that the response alone did not
    tell what it is about; words may stand beside it.
    """

    assignment = models.ForeignKey(
        Assignment, on_delete=models.PROTECT, related_name="readings", db_index=False
    )  # reading_once_per_response serves
    response = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="readings")
    text = models.TextField(blank=True)
    cannot_tell = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("assignment", "response"), name="reading_once_per_response"),
        )

    def __str__(self) -> str:
        return self.text or ("cannot tell" if self.cannot_tell else "erased")
