"""Figures about labelers that are kept, and what reward models say about the responses they ranked."""

from django.db import models
from django.utils import timezone

from labeling.models.policies import Response


class QualityReport(models.Model):
    """One section of the quality pages as last computed: only a copy, made again whenever labels were added.

    `seen` says from which labels it was computed; a section whose `seen` is no longer current is stale.
    """

    section = models.CharField(max_length=40, unique=True)
    body = models.JSONField(default=dict)
    seen = models.CharField(max_length=200)
    computed_at = models.DateTimeField(default=timezone.now)
    seconds = models.FloatField(default=0.0)

    class Meta:
        ordering = ("section",)

    def __str__(self) -> str:
        return f"{self.section} as of {self.computed_at:%Y-%m-%d %H:%M}"


class ResponseScoreQuerySet(models.QuerySet["ResponseScore"]):
    def current(self) -> "ResponseScoreQuerySet":
        """The scores of the reward model that scored last."""
        newest = self.order_by("-id").values("scorer")[:1]
        return self.filter(scorer=models.Subquery(newest))


class ResponseScore(models.Model):
    """What a reward model says about a response. `scorer` is the model's code, `scorer_name` for people."""

    response = models.ForeignKey(Response, on_delete=models.CASCADE, related_name="scores")
    scorer = models.UUIDField()
    scorer_name = models.CharField(max_length=120)
    score = models.FloatField()
    scored_at = models.DateTimeField(default=timezone.now)

    objects = ResponseScoreQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("scorer", "response"), name="response_score_once_per_scorer"),
        )

    def __str__(self) -> str:
        return f"{self.score:.3f} by {self.scorer_name}"
