"""The screening of Ouyang et al. 2022, App. B.1: tests, their items, who took them, grades and decisions."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone

from labeling.models.base import CodedModel
from labeling.models.labelers import Labeler, User

GRADE_MIN, GRADE_MAX = 1, 7


class ScreeningTestQuerySet(models.QuerySet["ScreeningTest"]):
    def published(self) -> "ScreeningTestQuerySet":
        return self.exclude(published_at=None)

    def current(self) -> "ScreeningTest | None":
        """The test that the next labeler takes: the newest published version."""
        return self.published().order_by("-version").first()


class ScreeningTest(CodedModel):
    """One version of the screening. A draft has no version; once published it is never edited.

    The cut-offs are soft: a decision may depart from them with a reason.
    """

    version = models.PositiveIntegerField(null=True, blank=True, unique=True)
    title = models.CharField(max_length=120)
    introduction = models.TextField(blank=True, help_text="Markdown; the labeler reads it first.")
    flagging_cutoff = models.FloatField(default=0.75)
    ranking_cutoff = models.FloatField(default=0.75)
    demonstration_cutoff = models.FloatField(default=6.0)
    topics = models.JSONField(default=list, help_text="Topics to choose from in part 4.")
    groups = models.JSONField(default=list, help_text="Cultural groups to choose from in part 4.")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    published_at = models.DateTimeField(null=True, blank=True)
    published_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects = ScreeningTestQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.title} ({f'version {self.version}' if self.version else 'draft'})"


class ScreeningItem(CodedModel):
    """One question of a test, with what the researchers answered.

    `reference` is {"is_sensitive": bool} in part 1 and {"ranks": [int, …]} over `responses` in part 2; part 3
    has none, researchers grade it. A training item shows `reference` and `explanation` at once and does not
    count. A reserve item is asked only after the decision to ask for more.
    """

    class Part(models.TextChoices):
        FLAGGING = "flagging", "Sensitive text"
        RANKING = "ranking", "Ranking"
        DEMONSTRATION = "demonstration", "Delicate prompts"

    class Use(models.TextChoices):
        TRAINING = "training", "Training: feedback at once, does not count"
        COUNTED = "counted", "Counted"
        RESERVE = "reserve", "Reserve: counted, asked only if more items are wanted"

    test = models.ForeignKey(ScreeningTest, on_delete=models.CASCADE, related_name="items")
    part = models.CharField(max_length=16, choices=Part.choices)
    use = models.CharField(max_length=10, choices=Use.choices, default=Use.COUNTED)
    text = models.TextField(help_text="The passage to judge, or the prompt.")
    responses = models.JSONField(default=list, blank=True)
    reference = models.JSONField(default=dict, blank=True)
    explanation = models.TextField(blank=True, help_text="Why; shown to the labeler in training items.")

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.part} {self.code}"


class ScreeningAttempt(CodedModel):
    """One labeler taking one test. Staff who judge it see its code, never whose it is."""

    class State(models.TextChoices):
        OPEN = "open", "Being taken"
        SUBMITTED = "submitted", "Waiting for a decision"
        ACCEPTED = "accepted", "Accepted"
        REJECTED = "rejected", "Not accepted"

    test = models.ForeignKey(ScreeningTest, on_delete=models.PROTECT, related_name="attempts")
    labeler = models.ForeignKey(Labeler, on_delete=models.PROTECT, related_name="screenings")
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    has_reserve = models.BooleanField(default=False, help_text="More items were asked for.")
    topics = models.JSONField(default=list, blank=True)
    groups = models.JSONField(default=list, blank=True)
    coverage_note = models.TextField(blank=True)
    has_coverage = models.BooleanField(default=False, help_text="Part 4 was answered.")
    submitted_at = models.DateTimeField(null=True, blank=True)
    active_seconds = models.PositiveIntegerField(default=0, help_text="Time at work, idle left out.")
    last_seen_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.UniqueConstraint(fields=("test", "labeler"), name="screening_once_per_test_and_labeler"),
        )

    def __str__(self) -> str:
        return f"screening {str(self.code)[:8]}"

    @property
    def short_code(self) -> str:
        """The name under which staff speak of it."""
        return str(self.code)[:8]


class ScreeningAnswer(CodedModel):
    """What a labeler answered to an item: {"is_sensitive"}, {"ranks"} or {"text"}.

    Until `is_complete` it is a draft. A training item is closed once it was checked (`checked_at`).
    """

    attempt = models.ForeignKey(ScreeningAttempt, on_delete=models.PROTECT, related_name="answers")
    item = models.ForeignKey(ScreeningItem, on_delete=models.PROTECT, related_name="answers")
    content = models.JSONField(default=dict)
    is_complete = models.BooleanField(default=False)
    saved_at = models.DateTimeField(default=timezone.now)
    checked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=("attempt", "item"), name="screening_answer_once_per_item"),
        )

    def __str__(self) -> str:
        return f"answer {str(self.code)[:8]}"


class ScreeningGrade(models.Model):
    """A researcher's grade of a delicate demonstration, 1 to 7, given without knowing whose it is."""

    answer = models.ForeignKey(ScreeningAnswer, on_delete=models.PROTECT, related_name="grades")
    grader = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    grade = models.PositiveSmallIntegerField(
        validators=[MinValueValidator(GRADE_MIN), MaxValueValidator(GRADE_MAX)]
    )
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("answer", "grader"), name="screening_grade_once_per_grader"),
        )

    def __str__(self) -> str:
        return f"{self.grade} of {GRADE_MAX}"


class ScreeningDecision(CodedModel):
    """What was decided about an attempt, with the scores as they stood; only added, never changed."""

    class Outcome(models.TextChoices):
        ACCEPT = "accept", "Accept"
        REJECT = "reject", "Do not accept"
        MORE = "more", "Ask for more items"

    attempt = models.ForeignKey(ScreeningAttempt, on_delete=models.PROTECT, related_name="decisions")
    outcome = models.CharField(max_length=8, choices=Outcome.choices)
    reason = models.TextField()
    kinds = models.JSONField(default=list, help_text="Qualifications granted.")
    scores = models.JSONField(default=dict, help_text="The scores and cut-offs when it was decided.")
    departs = models.BooleanField(default=False, help_text="The decision departs from the cut-offs.")
    decided_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering: ClassVar[tuple[str, ...]] = ("id",)

    def __str__(self) -> str:
        return f"{self.outcome} {self.attempt.short_code}"
