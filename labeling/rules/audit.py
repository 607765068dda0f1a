"""The record of what staff did: written by every rule that changes something, read by those who may."""

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from uuid import UUID

from django.db import models
from django.db.models import QuerySet
from django.utils import timezone

from labeling.models import AuditEvent, User
from labeling.rules import csv_tables

COLUMNS = ("at", "actor", "action", "object_type", "object_code", "detail")


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


def events(
    *,
    actor: User | None = None,
    action: str = "",
    object_type: str = "",
    object_code: UUID | str = "",
    since: date | None = None,
    until: date | None = None,
) -> QuerySet[AuditEvent]:
    """Return audit rows, newest first: by whom, what, on what, from a day to another, both included."""
    rows = AuditEvent.objects.select_related("actor").order_by("-id")
    wanted = {"actor": actor, "action": action, "object_type": object_type}
    rows = rows.filter(**{name: value for name, value in wanted.items() if value})
    if object_code:
        rows = rows.filter(object_code=str(object_code))
    if since is not None:
        rows = rows.filter(created_at__gte=_midnight(since))
    if until is not None:
        rows = rows.filter(created_at__lt=_midnight(until + timedelta(days=1)))
    return rows


def known(field: str) -> list[str]:
    """Return the actions, or the types of object, that there are rows of."""
    return list(AuditEvent.objects.order_by(field).values_list(field, flat=True).distinct())


def csv_lines(rows: QuerySet[AuditEvent]) -> Iterator[str]:
    """Yield audit rows as CSV, a line at a time."""
    table = (
        (
            row.created_at.isoformat(),
            row.actor.email if row.actor else "",
            row.action,
            row.object_type,
            row.object_code,
            json.dumps(row.detail, ensure_ascii=False),
        )
        for row in rows.iterator(chunk_size=2000)
    )
    return csv_tables.csv_lines(COLUMNS, table)


def _midnight(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))
