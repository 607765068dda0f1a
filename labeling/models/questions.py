"""The questions board: labelers ask, a manager's answer reaches everybody."""

from django.db import models
from django.db.models import Q

from labeling.models.base import CodedModel, TaskKind
from labeling.models.guidelines import Guideline
from labeling.models.labelers import Labeler, User


class QuestionQuerySet(models.QuerySet["Question"]):
    def standing(self) -> "QuestionQuerySet":
        """Questions that were not merged into another."""
        return self.filter(merged_into=None)

    def answered(self) -> "QuestionQuerySet":
        return self.filter(answered_at__isnull=False)

    def waiting(self) -> "QuestionQuerySet":
        return self.standing().filter(answered_at=None)


class Question(CodedModel):
    """A question about the work, with the answer that counts for everybody.

    A duplicate is merged into another question, whose answer then is its answer too. `answered_at` moves
    with every change of the answer, so that people read it again.
    """

    asked_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="questions")
    title = models.CharField(max_length=160)
    body = models.TextField(blank=True, help_text="Markdown")
    kind = models.CharField(max_length=20, choices=TaskKind.choices, blank=True)
    guideline = models.ForeignKey(
        Guideline, on_delete=models.PROTECT, null=True, blank=True, related_name="questions"
    )
    answer = models.TextField(blank=True, help_text="Markdown")
    answered_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    answered_at = models.DateTimeField(null=True, blank=True)
    is_pinned = models.BooleanField(default=False)
    merged_into = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="duplicates"
    )

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ("-is_pinned", "-id")
        constraints = (
            models.CheckConstraint(
                condition=Q(answered_at__isnull=True) | Q(answered_by__isnull=False),
                name="question_answer_has_author",
            ),
        )
        indexes = (models.Index(fields=("answered_at",), name="question_by_answer"),)

    def __str__(self) -> str:
        return self.title


class QuestionRead(models.Model):
    """That a labeler has read an answer, as it stood then."""

    question = models.ForeignKey(Question, on_delete=models.CASCADE, related_name="reads")
    labeler = models.ForeignKey(Labeler, on_delete=models.CASCADE, related_name="questions_read")
    read_at = models.DateTimeField()

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("question", "labeler"), name="question_read_once_per_labeler"),
        )

    def __str__(self) -> str:
        return f"{self.labeler} read {self.question}"
