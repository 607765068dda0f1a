"""Versioned instructions and the versioned form of questions that a label answers."""

from django.db import models
from django.utils import timezone

from labeling.models.base import CodedModel, TaskKind
from labeling.models.labelers import Labeler


class GuidelineQuerySet(models.QuerySet["Guideline"]):
    def current(self, kind: str) -> "Guideline | None":
        return self.filter(kind=kind).order_by("-version").first()


class Guideline(CodedModel):
    """One version of the instructions for a task kind, in Markdown. Never edited after publication."""

    kind = models.CharField(max_length=20, choices=TaskKind.choices)
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    body = models.TextField(help_text="Markdown")
    criteria = models.JSONField(default=list, blank=True, help_text="What counts, most important first.")
    published_at = models.DateTimeField(default=timezone.now)

    objects = GuidelineQuerySet.as_manager()

    class Meta:
        ordering = ("kind", "-version")
        constraints = (
            models.UniqueConstraint(fields=("kind", "version"), name="guideline_version_once_per_kind"),
        )

    def __str__(self) -> str:
        return f"{self.kind} v{self.version}"


class Acknowledgement(models.Model):
    """That a labeler has read a version of a guideline and works by it from now on."""

    guideline = models.ForeignKey(Guideline, on_delete=models.PROTECT, related_name="acknowledgements")
    labeler = models.ForeignKey(Labeler, on_delete=models.PROTECT, related_name="acknowledgements")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=("guideline", "labeler"), name="acknowledgement_once_per_version_and_labeler"
            ),
        )

    def __str__(self) -> str:
        return f"{self.labeler} read {self.guideline}"


class FormQuerySet(models.QuerySet["Form"]):
    def current(self, kind: str) -> "Form | None":
        return self.filter(kind=kind).order_by("-version").first()


class Form(CodedModel):
    """One version of the questions asked about a prompt and about each response.

    `schema` is {"likert": {"min", "max", "label", "anchors": {"1": …}}, "scales": [scale],
    "flags": [{"key", "label", "help", "when"?}], "asks_category": bool, "prompt_flags": [flag],
    "prompt_scales": [scale]}, every part optional; a scale is {"key", "label", "help", "min", "max",
    "anchors"}. `when` names a flag of the prompt without whose yes the question is not asked.
    """

    kind = models.CharField(max_length=20, choices=TaskKind.choices)
    version = models.PositiveIntegerField()
    schema = models.JSONField(default=dict)
    note = models.CharField(max_length=300, blank=True, help_text="Why it was published.")

    objects = FormQuerySet.as_manager()

    class Meta:
        ordering = ("kind", "-version")
        constraints = (
            models.UniqueConstraint(fields=("kind", "version"), name="form_version_once_per_kind"),
        )

    def __str__(self) -> str:
        return f"{self.kind} form v{self.version}"
