"""Templates of batches: what staff saved so that the next batch needs only a name."""

from django.db import models

from labeling.models.base import CodedModel, TaskKind
from labeling.models.labelers import User


class BatchTemplateQuerySet(models.QuerySet["BatchTemplate"]):
    def current(self) -> "BatchTemplateQuerySet":
        return self.filter(archived_at=None)


class BatchTemplate(CodedModel):
    """The answers of the batch form under a name; `values` maps its fields to what was chosen."""

    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=TaskKind.choices)
    values = models.JSONField(default=dict)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = BatchTemplateQuerySet.as_manager()

    class Meta:
        ordering = ("name", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("name",), condition=models.Q(archived_at=None), name="batch_template_name_once"
            ),
        )

    def __str__(self) -> str:
        return self.name
