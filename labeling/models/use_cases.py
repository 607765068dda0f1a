"""Use cases: what people want a model for, told vaguely enough to name nobody."""

from django.db import models

from labeling.models.base import CodedModel
from labeling.models.labelers import User


class UseCaseQuerySet(models.QuerySet["UseCase"]):
    def current(self) -> "UseCaseQuerySet":
        return self.filter(retired_at=None)


class UseCase(CodedModel):
    """A use case that labelers write prompts for (Ouyang et al. 2022, App. A.1); retired, never deleted."""

    text = models.TextField()
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    retired_at = models.DateTimeField(null=True, blank=True)

    objects = UseCaseQuerySet.as_manager()

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return self.text[:60]
