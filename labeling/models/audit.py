"""What staff did: one row for every action that changes what others see or may do."""

from django.db import models

from labeling.models.base import CodedModel
from labeling.models.labelers import User


class AuditEvent(CodedModel):
    """An action of a person or of the system (`actor` empty) on an object named by type and code."""

    actor = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    action = models.CharField(max_length=60)
    object_type = models.CharField(max_length=40)
    object_code = models.CharField(max_length=60, blank=True)
    detail = models.JSONField(default=dict, blank=True)

    class Meta:
        ordering = ("-id",)
        indexes = (models.Index(fields=("object_type", "object_code"), name="audit_by_object"),)

    def __str__(self) -> str:
        return f"{self.action} {self.object_type} {self.object_code}"
