"""Rankings of K responses: ratings, flags and an order with ties."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from labeling.models.assignments import Assignment
from labeling.models.base import KEEPING_OUT, CodedModel, RowModel, not_superseded
from labeling.models.batches import Task
from labeling.models.guidelines import Form, Guideline
from labeling.models.labelers import Labeler
from labeling.models.policies import Response

LIKERT_MIN, LIKERT_MAX = 1, 7


class RankingQuerySet(models.QuerySet["Ranking"]):
    def newest(self) -> "RankingQuerySet":
        """The newest revision of each ranking."""
        return self.filter(not_superseded(Ranking))

    def counted(self) -> "RankingQuerySet":
        """The rankings that count as labelers' verdicts.

        The newest revision of each, without surplus work (what a labeler took back is surplus), without what
        its newest review left out or returned, and without adjudications: who made one had seen the others'
        orders.
        """
        return self.filter(_stands("pk"), is_surplus=False)


class PlaceQuerySet(models.QuerySet["Place"]):
    def of_newest(self) -> "PlaceQuerySet":
        """The places in the newest revision of each ranking."""
        return self.filter(not_superseded(Ranking, "ranking"))

    def of_counted(self) -> "PlaceQuerySet":
        """The places in the rankings that count as labelers' verdicts."""
        return self.filter(_stands("ranking"), ranking__is_surplus=False)


class Ranking(CodedModel):
    """One labeler's order over the K responses of a task. An edit is a new revision, never an update.

    `shown_order` lists response codes as they were displayed, `start` says from which order the labeler set
    out. `was_touched` is False where they confirmed the order in which the responses happened to stand.
    """

    class Start(models.TextChoices):
        NONE = "", "No order"
        SHUFFLED = "shuffled", "In random order"
        RATINGS = "ratings", "From the ratings"

    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="rankings")
    labeler = models.ForeignKey(Labeler, on_delete=models.PROTECT, related_name="rankings")
    assignment = models.ForeignKey(
        Assignment, on_delete=models.PROTECT, null=True, blank=True, related_name="rankings"
    )
    guideline = models.ForeignKey(
        Guideline, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )  # nothing looks for the labels under a guideline or a form
    form = models.ForeignKey(
        Form, on_delete=models.PROTECT, null=True, blank=True, related_name="+", db_index=False
    )
    shown_order = models.JSONField(default=list)
    start = models.CharField(max_length=8, choices=Start.choices, default=Start.NONE, blank=True)
    was_touched = models.BooleanField(default=True)
    moves = models.PositiveIntegerField(default=0)
    notes = models.TextField(blank=True)
    revision = models.PositiveIntegerField(default=1)
    supersedes = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="superseded_by"
    )
    is_surplus = models.BooleanField(default=False)
    seconds = models.PositiveIntegerField(default=0)

    objects = RankingQuerySet.as_manager()

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.labeler} on {self.task}"


class Place(RowModel):
    """Where one response stands in a ranking: rank 1 is best, equal ranks are ties, gaps are allowed.

    `flags` and `scores` hold only what was asked: an absent flag was not asked, which is not the same as no.
    `scores` are answers on scales other than overall quality, such as toxicity 0 to 2.
    """

    ranking = models.ForeignKey(
        Ranking, on_delete=models.CASCADE, related_name="places", db_index=False
    )  # place_once_per_ranking serves
    response = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="places")
    rank = models.PositiveSmallIntegerField(validators=(MinValueValidator(1), MaxValueValidator(9)))
    likert = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=(MinValueValidator(LIKERT_MIN), MaxValueValidator(LIKERT_MAX))
    )
    flags = models.JSONField(default=dict, blank=True)
    scores = models.JSONField(default=dict, blank=True)
    note = models.TextField(blank=True)

    objects = PlaceQuerySet.as_manager()

    class Meta:
        ordering = ("ranking", "rank", "id")
        constraints = (
            models.UniqueConstraint(fields=("ranking", "response"), name="place_once_per_ranking"),
            models.CheckConstraint(condition=models.Q(rank__gte=1, rank__lte=9), name="place_rank_1_to_9"),
            models.CheckConstraint(
                condition=models.Q(likert__isnull=True) | models.Q(likert__gte=1, likert__lte=7),
                name="place_likert_1_to_7",
            ),
        )

    def __str__(self) -> str:
        return f"rank {self.rank}: {self.response}"


def _stands(key: str) -> models.Q:
    """Return the condition that the ranking named by `key` is the newest, a labeler's, and not kept out.

    Three times NOT EXISTS: how many rows each leaves PostgreSQL can estimate, and of "neither" it cannot.
    """
    named = Ranking._default_manager.filter(pk=models.OuterRef(key))
    kept_out = named.filter(reviews__superseded_by=None, reviews__decision__in=KEEPING_OUT)
    adjudications = named.filter(adjudication__isnull=False)
    return not_superseded(Ranking, key) & ~models.Exists(kept_out) & ~models.Exists(adjudications)
