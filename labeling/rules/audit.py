"""The record of what staff did."""

from django.db import models

from labeling.models import AuditEvent, User


def record(*, actor: User | None, action: str, obj: models.Model, **detail: object) -> AuditEvent:
    """Record that `actor` (None: the system) did `action` to `obj`; `detail` must fit into JSON.

    The object is named by its model and its code, so that the record outlives the row.
    """
    return AuditEvent.objects.create(
        actor=actor,
        action=action,
        object_type=obj._meta.model_name or "",
        object_code=str(getattr(obj, "code", obj.pk)),
        detail=detail,
    )
