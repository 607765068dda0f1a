"""Addresses elsewhere that are told what happens here, and every message to them."""

import secrets

from django.db import models
from django.db.models import Q
from django.utils import timezone

from labeling.models.base import CodedModel
from labeling.models.labelers import User


class WebhookEvent(models.TextChoices):
    """What a webhook can be told of."""

    PING = "ping", "A test, sent by hand"
    BATCH_CLOSED = "batch.closed", "A batch was closed"
    DATASET_FROZEN = "dataset.frozen", "Labels were frozen into a dataset"
    RUN_FINISHED = "run.finished", "A run finished"
    RUN_FAILED = "run.failed", "A run failed"
    GATE_CLOSED = "round.gate_closed", "A round's gate held training back"
    ROUND_WAITING = "round.waiting", "A round waits for a person"
    EVALUATION_DONE = "evaluation.done", "Every judgement of an evaluation is in"


def new_salt() -> str:
    """Return what makes a webhook's secret its own."""
    return secrets.token_hex(16)


class WebhookQuerySet(models.QuerySet["Webhook"]):
    def active(self) -> "WebhookQuerySet":
        """Those that are sent anything."""
        return self.filter(disabled_at=None, deleted_at=None)

    def kept(self) -> "WebhookQuerySet":
        """Those that nobody has deleted."""
        return self.filter(deleted_at=None)


class Webhook(CodedModel):
    """An address to which events are posted, signed.

    The secret is not stored: it follows from the server's own key and `salt`. For a day after it was changed
    messages are signed with the one before too. `failures` counts attempts that failed in a row.
    """

    name = models.CharField(max_length=80)
    url = models.URLField(max_length=500)
    events = models.JSONField(default=list)
    salt = models.CharField(max_length=32, default=new_salt)
    previous_salt = models.CharField(max_length=32, blank=True)
    rotated_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    disabled_at = models.DateTimeField(null=True, blank=True)
    disabled_reason = models.CharField(max_length=300, blank=True)
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    objects = WebhookQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name


class WebhookDelivery(CodedModel):
    """One message to one webhook, tried until it was taken or tried often enough.

    Its code is the message's own number: a receiver that has met it before has met this event before.
    `subject` names the event, so that what has been told once is not told again.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Given up"

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=30, choices=WebhookEvent.choices)
    subject = models.CharField(max_length=120)
    body = models.TextField(help_text="The JSON that is posted, as it is signed.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    due_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    attempted_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)
    status = models.PositiveSmallIntegerField(null=True, blank=True, help_text="The last answer's status.")
    answer = models.CharField(max_length=500, blank=True, help_text="The last answer, or why there was none.")
    milliseconds = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        ordering = ("-id",)
        verbose_name_plural = "webhook deliveries"
        indexes = (
            models.Index(fields=("due_at",), condition=Q(state="waiting"), name="webhook_delivery_waiting"),
        )
        constraints = (
            models.UniqueConstraint(
                fields=("webhook", "event", "subject"), name="webhook_delivery_once_per_subject"
            ),
        )

    def __str__(self) -> str:
        return f"{self.event} to {self.webhook}"
