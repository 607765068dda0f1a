"""Batches of tasks: what a manager opens, balances and closes."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from labeling.models.anchors import Anchor
from labeling.models.base import CodedModel, RowModel, TaskKind
from labeling.models.guidelines import Form, Guideline
from labeling.models.labelers import User
from labeling.models.policies import Policy, Response
from labeling.models.prompts import Prompt
from labeling.models.use_cases import UseCase

MIN_K, MAX_K = 2, 9


class BatchQuerySet(models.QuerySet["Batch"]):
    def open(self) -> "BatchQuerySet":
        return self.filter(status=Batch.Status.OPEN)

    def running(self) -> "BatchQuerySet":
        """Open or paused: what is skipped or runs out gets a fresh slot, though a paused one waits."""
        return self.filter(status__in=(Batch.Status.OPEN, Batch.Status.PAUSED))


class Batch(CodedModel):
    """A set of tasks of one kind with the rules under which they are labeled.

    `overlap` labelers see a task of the shared pool, one labeler sees any other; `shared_fraction` of the
    tasks form the pool (Stiennon et al. 2020, App. C.1: 10 to 20 %). `cohorts` lists who may take them.
    """

    class Status(models.TextChoices):
        DRAFT = "draft", "Draft"
        OPEN = "open", "Open"
        PAUSED = "paused", "Paused"
        CLOSED = "closed", "Closed"

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=TaskKind.choices)
    status = models.CharField(max_length=8, choices=Status.choices, default=Status.DRAFT)
    is_import = models.BooleanField(
        default=False, help_text="Made by an import: its labels came from outside."
    )
    guideline = models.ForeignKey(Guideline, on_delete=models.PROTECT, null=True, related_name="batches")
    form = models.ForeignKey(Form, on_delete=models.PROTECT, null=True, related_name="batches")
    cohorts = models.JSONField(default=list)
    k = models.PositiveSmallIntegerField(
        default=4, validators=(MinValueValidator(MIN_K), MaxValueValidator(MAX_K))
    )
    overlap = models.PositiveSmallIntegerField(default=1, validators=(MinValueValidator(1),))
    shared_fraction = models.FloatField(
        default=1.0, validators=(MinValueValidator(0.0), MaxValueValidator(1.0))
    )
    baseline = models.ForeignKey(
        Policy, on_delete=models.PROTECT, null=True, blank=True, related_name="+",
        help_text="Final evaluation: the policy that win rates are against.",
    )  # fmt: skip
    priority = models.SmallIntegerField(default=0, help_text="Higher comes first.")
    labeler_cap = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="How many of its tasks one labeler gets at most; none means any number.",
    )
    lease_seconds = models.PositiveIntegerField(default=1800)
    deadline_at = models.DateTimeField(null=True, blank=True)
    settings = models.JSONField(default=dict, blank=True, help_text="How prompts and candidates were chosen.")
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    opened_at = models.DateTimeField(null=True, blank=True)
    closed_at = models.DateTimeField(null=True, blank=True)

    objects = BatchQuerySet.as_manager()

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "batches"

    def __str__(self) -> str:
        return self.name


class Task(CodedModel):
    """One prompt of a batch; for ranked kinds, with the K responses to compare.

    Only a task of prompt writing has no prompt: the labeler writes it.
    """

    batch = models.ForeignKey(Batch, on_delete=models.PROTECT, related_name="tasks")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks")
    responses: "models.ManyToManyField[Response, Candidate]" = models.ManyToManyField(
        Response, through="Candidate", related_name="tasks"
    )
    use_case = models.ForeignKey(
        UseCase, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks"
    )
    overlap = models.PositiveSmallIntegerField(default=1, help_text="How many labelers are wanted.")
    is_shared = models.BooleanField(default=False, help_text="In the common pool that measures agreement.")
    set_aside_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when it is not served, because labelers found it broken."
    )
    chosen_by = models.CharField(
        max_length=10, blank=True,
        help_text="How the prompt was taken from a pool: random (the control share) or doubt; empty: none.",
    )  # fmt: skip
    is_anchor = models.BooleanField(default=False, help_text="The same in each batch, to see drift.")
    anchor = models.ForeignKey(
        Anchor, on_delete=models.PROTECT, null=True, blank=True, related_name="tasks",
        help_text="The fixed comparison that this task repeats.",
    )  # fmt: skip

    class Meta:
        ordering = ("id",)

    def __str__(self) -> str:
        return f"{self.batch}: {self.prompt or 'a prompt to be written'}"

    @property
    def given_prompt(self) -> Prompt:
        """The prompt of a task whose kind always has one."""
        if self.prompt is None:
            raise LookupError(f"Task {self.code} has no prompt: its labeler writes one.")
        return self.prompt


class Candidate(RowModel):
    """A response's place among the K of a task; `position` is canonical, not what a labeler sees."""

    task = models.ForeignKey(
        Task, on_delete=models.CASCADE, related_name="candidates", db_index=False
    )  # candidate_position_once serves
    response = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="candidacies")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ("task", "position")
        constraints = (
            models.UniqueConstraint(fields=("task", "response"), name="candidate_once_per_task"),
            models.UniqueConstraint(fields=("task", "position"), name="candidate_position_once"),
        )

    def __str__(self) -> str:
        return f"{self.position}: {self.response}"
