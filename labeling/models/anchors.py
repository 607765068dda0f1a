"""Anchors: fixed comparisons that are put into each new batch, so that drift can be seen."""

from django.db import models

from labeling.models.base import CodedModel, TaskKind
from labeling.models.labelers import User
from labeling.models.policies import Response
from labeling.models.prompts import Prompt


class AnchorSetQuerySet(models.QuerySet["AnchorSet"]):
    def current(self) -> "AnchorSetQuerySet":
        return self.filter(retired_at=None)


class AnchorSet(CodedModel):
    """A fixed pair or set of responses for each of some prompts, for instance an SFT sample and a reference.

    Batches that name it hold a task for each of its anchors (`Task.anchor`); how the preference between the
    same responses moves from batch to batch is labelers' drift (Stiennon et al. 2020, App. C.6).
    """

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=20, choices=TaskKind.choices, default=TaskKind.COMPARISON)
    description = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = AnchorSetQuerySet.as_manager()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return self.name


class Anchor(CodedModel):
    """One prompt of a set with its fixed responses, in their canonical order."""

    anchor_set = models.ForeignKey(AnchorSet, on_delete=models.PROTECT, related_name="anchors")
    prompt = models.ForeignKey(Prompt, on_delete=models.PROTECT, related_name="anchors")
    responses: "models.ManyToManyField[Response, AnchorResponse]" = models.ManyToManyField(
        Response, through="AnchorResponse", related_name="+"
    )

    class Meta:
        ordering = ("id",)
        constraints = (
            models.UniqueConstraint(fields=("anchor_set", "prompt"), name="anchor_once_per_prompt"),
        )

    def __str__(self) -> str:
        return f"{self.anchor_set}: {self.prompt}"


class AnchorResponse(models.Model):
    """A response's place among those of an anchor; position 0 is the one whose win share is watched."""

    anchor = models.ForeignKey(Anchor, on_delete=models.CASCADE, related_name="places")
    response = models.ForeignKey(Response, on_delete=models.PROTECT, related_name="+")
    position = models.PositiveSmallIntegerField()

    class Meta:
        ordering = ("anchor", "position")
        constraints = (
            models.UniqueConstraint(fields=("anchor", "position"), name="anchor_position_once"),
            models.UniqueConstraint(fields=("anchor", "response"), name="anchor_response_once"),
        )

    def __str__(self) -> str:
        return f"{self.position}: {self.response}"
