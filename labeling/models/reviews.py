"""What staff say about labels: grades, gold, adjudications, answers to flags. Only ever added."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from labeling.models.assignments import Skip
from labeling.models.base import KEEPING_OUT, CodedModel, ReviewDecision, not_superseded
from labeling.models.batches import Task
from labeling.models.comparisons import LIKERT_MAX, LIKERT_MIN, Ranking
from labeling.models.demonstrations import Demonstration
from labeling.models.labelers import User


class ReviewQuerySet(models.QuerySet["Review"]):
    def newest(self) -> "ReviewQuerySet":
        """The review that counts of each label: the last one."""
        return self.filter(not_superseded(Review))

    def keeping_out(self) -> "ReviewQuerySet":
        """Reviews that keep their label out of datasets."""
        return self.filter(decision__in=KEEPING_OUT)


class Review(CodedModel):
    """A decision of staff about one revision of a demonstration, or about one ranking.

    The newest counts; changing one's mind is another review that supersedes it. `REOPENED` takes a decision
    back: the label waits again. A fixed demonstration is reviewed in the reviewer's revision.
    """

    Decision = ReviewDecision

    demonstration = models.ForeignKey(
        Demonstration, on_delete=models.PROTECT, null=True, blank=True, related_name="reviews"
    )
    ranking = models.ForeignKey(
        Ranking, on_delete=models.PROTECT, null=True, blank=True, related_name="reviews"
    )
    decision = models.CharField(max_length=10, choices=Decision.choices)
    grade = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=(MinValueValidator(LIKERT_MIN), MaxValueValidator(LIKERT_MAX))
    )
    comment = models.TextField(blank=True, help_text="The labeler reads it.")
    supersedes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="superseded_by"
    )
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="reviews")

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(demonstration__isnull=True) ^ Q(ranking__isnull=True),
                name="review_of_one_label",
            ),
        )

    def __str__(self) -> str:
        return f"{self.get_decision_display()}: {self.demonstration or self.ranking}"


class GoldAnswerQuerySet(models.QuerySet["GoldAnswer"]):
    def current(self) -> "GoldAnswerQuerySet":
        return self.filter(withdrawn_at=None)


class GoldAnswer(CodedModel):
    """A researcher's reference for a task. The task is served like any other and says nothing of it.

    `judgements` lists {"code", "rank", "likert", "flags", "note"} of each response, as submissions do.
    """

    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="gold_answers")
    judgements = models.JSONField(default=list)
    reason = models.TextField(help_text="Why this order is right.")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = GoldAnswerQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(
                fields=("task",), condition=Q(withdrawn_at=None), name="gold_answer_once_per_task"
            ),
        )

    def __str__(self) -> str:
        return f"gold for {self.task}"

    @property
    def ranks(self) -> dict[str, int]:
        """The reference rank of each response, by its code."""
        return {item["code"]: item["rank"] for item in self.judgements}


class Adjudication(CodedModel):
    """A researcher's final order where labelers disagree: an ordinary ranking, with the reason for it."""

    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="adjudications")
    ranking = models.OneToOneField(Ranking, on_delete=models.PROTECT, related_name="adjudication")
    reason = models.TextField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"adjudication of {self.task}"


class FlagAnswer(CodedModel):
    """What staff answered to a skip or to a labeler's notes on a ranking; reports carry their own answer."""

    class Outcome(models.TextChoices):
        ANSWERED = "answered", "Answered"
        NO_ACTION = "no_action", "No action"

    skip = models.OneToOneField(Skip, on_delete=models.PROTECT, null=True, blank=True, related_name="answer")
    ranking = models.OneToOneField(
        Ranking, on_delete=models.PROTECT, null=True, blank=True, related_name="answer"
    )
    outcome = models.CharField(max_length=10, choices=Outcome.choices)
    text = models.TextField(blank=True, help_text="The labeler reads it.")
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.get_outcome_display()}: {self.text[:40]}"
