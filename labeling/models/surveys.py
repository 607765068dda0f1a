"""Voluntary surveys whose answers cannot be traced to a person: only counters are kept."""

import uuid

from django.db import models
from django.utils import timezone

from labeling.models.base import CodedModel
from labeling.models.labelers import Labeler, User


class SurveyQuerySet(models.QuerySet["Survey"]):
    def open(self) -> "SurveyQuerySet":
        return self.filter(closed_at=None)

    def unanswered_by(self, labeler: Labeler) -> "SurveyQuerySet":
        return self.open().exclude(participations__labeler=labeler)


class Survey(CodedModel):
    """One round of a survey. `questions` is a copy of what was asked, so that results stay readable."""

    class Kind(models.TextChoices):
        DEMOGRAPHICS = "demographics", "About you"
        SATISFACTION = "satisfaction", "About the work"

    kind = models.CharField(max_length=16, choices=Kind.choices)
    number = models.PositiveIntegerField()
    questions = models.JSONField(default=list)
    opened_at = models.DateTimeField(default=timezone.now)
    opened_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = SurveyQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("kind", "number"), name="survey_number_once_per_kind"),
            models.UniqueConstraint(
                fields=("kind",), condition=models.Q(closed_at=None), name="survey_one_open_per_kind"
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_kind_display()}, round {self.number}"


class SurveyParticipation(models.Model):
    """Somebody answered a round. Without a time, and with a random key: no order can be read from it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    survey = models.ForeignKey(Survey, on_delete=models.PROTECT, related_name="participations")
    labeler = models.ForeignKey(Labeler, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("survey", "labeler"), name="survey_answered_once_per_labeler"),
        )

    def __str__(self) -> str:
        return f"{self.labeler} answered {self.survey}"


class SurveyCount(models.Model):
    """How many chose an option of a question. All rows are made when the round opens, at zero."""

    survey = models.ForeignKey(Survey, on_delete=models.PROTECT, related_name="counts")
    question = models.CharField(max_length=40)
    option = models.CharField(max_length=80)
    count = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("survey", "question", "option"), name="survey_count_once"),
        )

    def __str__(self) -> str:
        return f"{self.question}: {self.option}"
