"""Slots of tasks: open, leased, answered; with drafts, skips and receipts."""

from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.base import CodedModel, TaskKind
from labeling.models.batches import Batch, Task
from labeling.models.labelers import Labeler


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def open(self) -> "AssignmentQuerySet":
        """Slots anybody eligible may claim."""
        return self.filter(state=Assignment.State.OPEN)

    def leased(self) -> "AssignmentQuerySet":
        """Claimed and not yet answered, whether or not the lease still runs."""
        return self.filter(state=Assignment.State.LEASED)

    def live(self) -> "AssignmentQuerySet":
        """Claimed, and the lease still runs."""
        return self.leased().filter(lease_expires_at__gt=timezone.now())

    def overdue(self) -> "AssignmentQuerySet":
        return self.leased().filter(lease_expires_at__lte=timezone.now())

    def submitted(self) -> "AssignmentQuerySet":
        return self.filter(state=Assignment.State.SUBMITTED)


class Assignment(CodedModel):
    """One slot of a task: one row for each labeler who is wanted, claimed by at most one.

    A slot whose lease ends or that is skipped keeps its labeler and its draft; a fresh open row takes its
    place.
    `kind` and `priority` repeat what the batch says. Claims walk a batch's open slots by `shuffle_key`, the
    same for all slots of a task, along an index of nothing else.
    `display_order` lists response codes as this labeler sees them.

    What a labeler holds has an index of nothing else, so that no plan ever goes through all they have
    answered, not even one made before there were any answers.
    """

    class State(models.TextChoices):
        OPEN = "open", "Open"
        LEASED = "leased", "Being worked on"
        SUBMITTED = "submitted", "Submitted"
        SKIPPED = "skipped", "Skipped"
        EXPIRED = "expired", "Lease ended"
        WITHDRAWN = "withdrawn", "Withdrawn"

    task = models.ForeignKey(Task, on_delete=models.PROTECT, related_name="assignments")
    batch = models.ForeignKey(
        Batch, on_delete=models.PROTECT, related_name="assignments", db_index=False
    )  # assignment_by_batch serves
    kind = models.CharField(max_length=20, choices=TaskKind.choices)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    priority = models.SmallIntegerField(default=0)
    shuffle_key = models.PositiveIntegerField(default=0)
    labeler = models.ForeignKey(
        Labeler, on_delete=models.PROTECT, null=True, blank=True, related_name="assignments", db_index=False
    )  # assignment_once_per_labeler_and_task serves
    display_order = models.JSONField(default=list)
    claimed_at = models.DateTimeField(null=True, blank=True)
    lease_expires_at = models.DateTimeField(null=True, blank=True)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    active_seconds = models.PositiveIntegerField(default=0, help_text="Time at work, idle left out.")
    finished_at = models.DateTimeField(null=True, blank=True)
    reopened_at = models.DateTimeField(
        null=True, blank=True, help_text="Since when its labeler revises what they submitted."
    )
    given_until = models.DateTimeField(
        null=True, blank=True, help_text="Until when a manager keeps it for the labeler it was given to."
    )

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("labeler", "task"),
                condition=Q(labeler__isnull=False),
                name="assignment_once_per_labeler_and_task",
            ),
            models.CheckConstraint(
                condition=Q(state__in=("open", "withdrawn")) | Q(labeler__isnull=False),
                name="assignment_beyond_open_has_labeler",
            ),
        )
        indexes = (
            models.Index(
                fields=("batch", "shuffle_key", "id"), condition=Q(state="open"), name="assignment_queue"
            ),
            models.Index(
                fields=("labeler", "batch", "shuffle_key"),
                condition=Q(labeler__isnull=False),
                name="assignment_reach",
            ),
            models.Index(  # says what holds anyway, so that only a question about the lease's end may use it
                fields=("lease_expires_at",),
                condition=Q(state="leased", lease_expires_at__isnull=False),
                name="assignment_leases",
            ),
            models.Index(fields=("labeler", "kind"), condition=Q(state="leased"), name="assignment_in_hand"),
            models.Index(fields=("batch", "state"), name="assignment_by_batch"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.code} ({self.state})"


class Draft(models.Model):
    """Unsubmitted work on an assignment, kept apart from labels. `version` guards against stale writes."""

    assignment = models.OneToOneField(Assignment, on_delete=models.CASCADE, related_name="draft")
    version = models.PositiveIntegerField(default=0)
    payload = models.JSONField(default=dict)
    saved_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"draft v{self.version} of {self.assignment.code}"


class Skip(models.Model):
    """Why a labeler passed a task on."""

    class Reason(models.TextChoices):
        UNCLEAR = "unclear", "The prompt is unclear"
        EXPERTISE = "expertise", "Outside my expertise or language"
        BROKEN = "broken", "Every response is broken"
        HARMFUL = "harmful", "Harmful to read"

    assignment = models.OneToOneField(Assignment, on_delete=models.PROTECT, related_name="skip")
    reason = models.CharField(max_length=12, choices=Reason.choices)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.assignment.code}: {self.reason}"


class Receipt(CodedModel):
    """Proof that a submission was recorded; a repeated Idempotency-Key answers with the same receipt."""

    assignment = models.ForeignKey(
        Assignment, on_delete=models.PROTECT, related_name="receipts", db_index=False
    )  # receipt_once_per_revision serves
    labeler = models.ForeignKey(
        Labeler, on_delete=models.PROTECT, related_name="receipts", db_index=False
    )  # receipt_by_labeler serves
    idempotency_key = models.CharField(max_length=80)
    content = models.JSONField(default=dict, help_text="What was submitted.")
    content_hash = models.CharField(max_length=64, help_text="SHA-256 of what was submitted.")
    revision = models.PositiveIntegerField(default=1)
    is_surplus = models.BooleanField(default=False)
    withdrawn_at = models.DateTimeField(
        null=True, blank=True, help_text="When the labeler took it back, within seconds."
    )

    class Meta:
        ordering = ("-created_at",)
        constraints = (
            models.UniqueConstraint(fields=("labeler", "idempotency_key"), name="receipt_once_per_key"),
            models.UniqueConstraint(fields=("assignment", "revision"), name="receipt_once_per_revision"),
        )
        indexes = (models.Index(fields=("labeler", "-created_at"), name="receipt_by_labeler"),)

    def __str__(self) -> str:
        return str(self.code)
