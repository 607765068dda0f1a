"""Responses that labelers wrote: training data for the supervised policy."""

from django.db import models

from labeling.models.assignments import Assignment
from labeling.models.base import CodedModel, not_superseded
from labeling.models.guidelines import Form, Guideline
from labeling.models.labelers import Labeler, User
from labeling.models.policies import Response
from labeling.models.prompts import Prompt


class DemonstrationQuerySet(models.QuerySet["Demonstration"]):
    def newest(self) -> "DemonstrationQuerySet":
        """The newest revision of each demonstration."""
        return self.filter(not_superseded(Demonstration))


class Demonstration(CodedModel):
    """What one labeler would have the model answer. An edit is a new revision, never an update.

    Its text also stands as a `Response` of the people's policy, so that a comparison can hold it.
    """

    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="demonstrations")
    labeler = models.ForeignKey(Labeler, on_delete=models.PROTECT, related_name="demonstrations")
    assignment = models.ForeignKey(
        Assignment, on_delete=models.PROTECT, null=True, blank=True, related_name="demonstrations"
    )
    response = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="demonstrations")
    text = models.TextField()
    guideline = models.ForeignKey(
        Guideline, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    form = models.ForeignKey(Form, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    revision = models.PositiveIntegerField(default=1)
    supersedes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="superseded_by"
    )
    fixed_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="The reviewer who wrote this revision; empty where the labeler did.",
    )  # fmt: skip
    is_surplus = models.BooleanField(default=False)
    seconds = models.PositiveIntegerField(default=0)
    typing = models.JSONField(
        default=dict, blank=True, help_text="Characters typed and pasted, for a reviewer; never a verdict."
    )

    objects = DemonstrationQuerySet.as_manager()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.text[:60]
