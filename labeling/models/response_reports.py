"""What labelers report about single responses, and what staff answer."""

from django.db import models

from labeling.models.assignments import Assignment
from labeling.models.base import CodedModel
from labeling.models.labelers import Labeler, User
from labeling.models.policies import Response


class ResponseReportQuerySet(models.QuerySet["ResponseReport"]):
    def open(self) -> "ResponseReportQuerySet":
        """Reports nobody has answered."""
        return self.filter(answered_at=None)


class ResponseReport(CodedModel):
    """A labeler's word that something is wrong with one response of a task in hand.

    It stands beside the judgement: reporting a response neither skips the task nor changes its rank.
    """

    class Reason(models.TextChoices):
        BROKEN = "broken", "Broken: cut off, garbled, in the wrong place"
        HARMFUL = "harmful", "Harmful: it should not be shown to anybody"
        OTHER = "other", "Something else"

    assignment = models.ForeignKey(Assignment, on_delete=models.PROTECT, related_name="response_reports")
    response = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="reports")
    labeler = models.ForeignKey(Labeler, on_delete=models.PROTECT, related_name="response_reports")
    reason = models.CharField(max_length=12, choices=Reason.choices)
    note = models.TextField(blank=True)
    answer = models.TextField(blank=True, help_text="What staff did about it; the labeler reads it.")
    answered_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="answered_response_reports"
    )
    answered_at = models.DateTimeField(null=True, blank=True)

    objects = ResponseReportQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("assignment", "response", "reason"), name="response_report_once_per_reason"
            ),
        )

    def __str__(self) -> str:
        return f"{self.reason}: {self.response}"
