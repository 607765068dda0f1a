"""Whoever writes responses, and the responses."""

from django.db import models

from labeling.models.base import CodedModel
from labeling.models.prompts import Prompt


class Policy(CodedModel):
    """A writer of responses. Its name is for staff only: it never reaches a labeler."""

    class Kind(models.TextChoices):
        TRAINED = "trained", "Trained here"
        IMPORTED = "imported", "Imported model"
        HUMAN = "human", "People"

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=12, choices=Kind.choices)
    description = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "policies"

    def __str__(self) -> str:
        return self.name


class Response(CodedModel):
    """One answer of one policy to one prompt. May be empty: models do write nothing."""

    prompt = models.ForeignKey(
        Prompt, on_delete=models.PROTECT, related_name="responses", db_index=False
    )  # response_once_per_sample serves
    policy = models.ForeignKey(
        Policy, on_delete=models.PROTECT, related_name="responses", db_index=False
    )  # response_by_policy serves
    text = models.TextField(blank=True)
    text_hash = models.CharField(max_length=64)
    index = models.PositiveSmallIntegerField(
        default=0, help_text="Which of the policy's samples for this prompt."
    )
    sampling = models.JSONField(default=dict, blank=True, help_text="Temperature, limit, seed, run.")
    has_ended = models.BooleanField(default=True, help_text="False where the length limit cut it off.")

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(
                fields=("prompt", "policy", "index", "text_hash"), name="response_once_per_sample"
            ),
        )
        indexes = (models.Index(fields=("policy", "prompt"), name="response_by_policy"),)

    def __str__(self) -> str:
        return self.text[:60]
