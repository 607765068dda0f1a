"""Prompts that labelers wrote, as they wrote them."""

from django.db import models

from labeling.models.assignments import Assignment
from labeling.models.base import CodedModel, not_superseded
from labeling.models.guidelines import Form, Guideline
from labeling.models.labelers import Labeler
from labeling.models.prompts import Prompt, PromptKind
from labeling.models.use_cases import UseCase


class WrittenPromptQuerySet(models.QuerySet["WrittenPrompt"]):
    def newest(self) -> "WrittenPromptQuerySet":
        """The newest revision of each written prompt."""
        return self.filter(not_superseded(WrittenPrompt))


class WrittenPrompt(CodedModel):
    """What one labeler wrote for a task of prompt writing. An edit is a new revision, never an update.

    `text` is the prompt, for a few-shot one its instruction; `pairs` lists {"query", "response"} of a
    few-shot one. `prompts` are the prompts made of it: one, or for K pairs K siblings, each with the other
    K - 1 pairs before its query; their responses stand as demonstrations.
    """

    labeler = models.ForeignKey(Labeler, on_delete=models.PROTECT, related_name="written_prompts")
    assignment = models.ForeignKey(
        Assignment, on_delete=models.PROTECT, null=True, blank=True, related_name="written_prompts"
    )
    kind = models.CharField(max_length=12, choices=PromptKind.choices, default=PromptKind.PLAIN)
    text = models.TextField()
    pairs = models.JSONField(default=list, blank=True)
    use_case = models.ForeignKey(
        UseCase, on_delete=models.PROTECT, null=True, blank=True, related_name="written_prompts"
    )
    prompts = models.ManyToManyField(Prompt, related_name="written_prompts")
    guideline = models.ForeignKey(
        Guideline, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    form = models.ForeignKey(Form, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    revision = models.PositiveIntegerField(default=1)
    supersedes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="superseded_by"
    )
    is_surplus = models.BooleanField(default=False)
    seconds = models.PositiveIntegerField(default=0)
    typing = models.JSONField(
        default=dict, blank=True, help_text="Characters typed and pasted, for a reviewer; never a verdict."
    )

    objects = WrittenPromptQuerySet.as_manager()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return self.text[:60]
