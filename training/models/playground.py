"""The playground: conversations with policies, what they replied, and blind votes."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models import CodedModel, Prompt, PromptNotice, User
from training.models.models import Model

SILENT_SECONDS = 30
"""A worker that writes says every second that it lives; after this long it is taken for dead."""


class Conversation(CodedModel):
    """One person's talk with one policy or several side by side. Nobody else sees it.

    `author` is the id under which intake knows this person. `notice` is what the person agreed to; without
    it nothing is kept: prompts do not enter intake, and the words go some hours after the last of them.
    """

    class Mode(models.TextChoices):
        OPEN = "open", "Policies of your choice"
        BEFORE_AFTER = "before_after", "Before and after training"
        BLIND = "blind", "Blind vote"

    owner = models.ForeignKey(User, on_delete=models.PROTECT, related_name="conversations")
    author = models.CharField(max_length=80)
    mode = models.CharField(max_length=12, choices=Mode.choices, default=Mode.OPEN)
    notice = models.ForeignKey(
        PromptNotice, on_delete=models.PROTECT, null=True, blank=True, related_name="conversations"
    )
    temperature = models.FloatField(default=1.0)
    top_p = models.FloatField(default=1.0)
    max_tokens = models.PositiveIntegerField(default=256)
    seed = models.PositiveIntegerField(default=0)
    used_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True, help_text="When its words were deleted.")

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("owner", "-id"), name="conversation_by_owner"),)

    def __str__(self) -> str:
        return f"conversation {self.pk}"

    @property
    def is_blind(self) -> bool:
        return self.mode == self.Mode.BLIND


class Side(models.Model):
    """A policy that takes part in a conversation, under a letter in the order in which people see it."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="sides")
    position = models.PositiveSmallIntegerField()
    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ("conversation", "position")
        constraints = (
            models.UniqueConstraint(fields=("conversation", "position"), name="side_once_per_position"),
        )

    def __str__(self) -> str:
        return self.letter

    @property
    def letter(self) -> str:
        return "ABCDEFGH"[self.position]


class Turn(CodedModel):
    """One prompt of a conversation. `prompt` is what intake made of it, `intake_note` why it took nothing."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="turns")
    number = models.PositiveSmallIntegerField()
    text = models.TextField()
    prompt = models.ForeignKey(Prompt, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    intake_note = models.CharField(max_length=300, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When a worker was last woken for it.")

    class Meta:
        ordering = ("conversation", "number")
        constraints = (
            models.UniqueConstraint(fields=("conversation", "number"), name="turn_once_per_number"),
        )

    def __str__(self) -> str:
        return f"{self.conversation}, turn {self.number}"


class ReplyState(models.TextChoices):
    QUEUED = "queued", "Waiting for a worker"
    WRITING = "writing", "Writing"
    DONE = "done", "Done"
    CUT = "cut", "Stopped at the length limit"
    CANCELLED = "cancelled", "Stopped"
    FAILED = "failed", "Failed"


OPEN_STATES = (ReplyState.QUEUED, ReplyState.WRITING)


class ReplyQuerySet(models.QuerySet["Reply"]):
    def queued(self) -> "ReplyQuerySet":
        return self.filter(state=ReplyState.QUEUED)

    def writing(self) -> "ReplyQuerySet":
        return self.filter(state=ReplyState.WRITING)

    def unfinished(self) -> "ReplyQuerySet":
        return self.filter(state__in=OPEN_STATES)


class Reply(CodedModel):
    """What one side says to one turn, as it is being written. Its state moves by compare-and-set only.

    `attempt` counts the workers that took it; each writes only while the number is still its own, and always
    the whole text, so that nothing is ever doubled.
    """

    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="replies")
    side = models.ForeignKey(Side, on_delete=models.CASCADE, related_name="replies")
    state = models.CharField(max_length=10, choices=ReplyState.choices, default=ReplyState.QUEUED)
    attempt = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    phase = models.CharField(max_length=20, blank=True)
    text = models.TextField(blank=True)
    tokens = models.PositiveIntegerField(default=0)
    is_context_cut = models.BooleanField(default=False, help_text="The policy did not read the beginning.")
    reason = models.CharField(max_length=400, blank=True)
    queued_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True)
    first_text_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    objects = ReplyQuerySet.as_manager()

    class Meta:
        ordering = ("turn", "side__position")
        constraints = (models.UniqueConstraint(fields=("turn", "side"), name="reply_once_per_side"),)
        indexes = (
            models.Index(
                fields=("state", "queued_at"),
                condition=Q(state__in=("queued", "writing")),
                name="reply_unfinished",
            ),
        )

    def __str__(self) -> str:
        return f"reply {self.side} to {self.turn}"

    @property
    def is_ended(self) -> bool:
        return self.state not in OPEN_STATES

    def is_silent(self, now: datetime | None = None) -> bool:
        """Whether the worker that writes it has not been heard of for too long."""
        limit = (now or timezone.now()) - timedelta(seconds=SILENT_SECONDS)
        return (
            self.state == ReplyState.WRITING and self.heartbeat_at is not None and self.heartbeat_at < limit
        )


class Vote(CodedModel):
    """What the owner of a blind conversation found better, before the names were shown; once.

    A judgement about models and nothing else: no dataset reads it.
    """

    class Verdict(models.TextChoices):
        BETTER = "better", "One is better"
        TIE = "tie", "Both are equally good"
        BOTH_BAD = "both_bad", "Both are bad"

    conversation = models.OneToOneField(Conversation, on_delete=models.CASCADE, related_name="vote")
    turn = models.ForeignKey(Turn, on_delete=models.CASCADE, related_name="+")
    verdict = models.CharField(max_length=10, choices=Verdict.choices)
    winner = models.ForeignKey(Side, on_delete=models.CASCADE, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ("-id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(verdict="better", winner__isnull=False)
                | (~Q(verdict="better") & Q(winner__isnull=True)),
                name="vote_names_the_better_one",
            ),
        )

    def __str__(self) -> str:
        return f"vote on {self.conversation}"
