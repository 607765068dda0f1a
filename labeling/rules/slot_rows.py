"""Open slots made and withdrawn by the database itself, a batch at a time: no row passes through Python.

Django has no INSERT ... SELECT, so one statement is written here by hand, once for PostgreSQL and SQLite.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import Case, Count, F, IntegerField, OuterRef, Q, Subquery, Value, When, Window
from django.db.models.functions import Coalesce, RowNumber
from django.utils import timezone

from labeling.models import Assignment, Batch, Receipt, Task

State = Assignment.State
SHUFFLE_KEYS = 2**31
HOLDING = (State.SUBMITTED, State.LEASED, State.OPEN)
"""States in which a slot counts towards the labels wanted on its task, the last to go first."""

RANDOM_KEY = {
    "postgresql": f"floor(random() * {SHUFFLE_KEYS})::integer",
    "sqlite": f"abs(random() % {SHUFFLE_KEYS})",
}
RANDOM_CODE = {
    "postgresql": "gen_random_uuid()",
    "sqlite": (
        "lower(hex(randomblob(6)) || '4' || substr(hex(randomblob(2)), 2) || "
        "substr('89ab', 1 + abs(random() % 4), 1) || substr(hex(randomblob(2)), 2) || hex(randomblob(6)))"
    ),
}


def add_missing_slots(batch: Batch) -> int:
    """Give each task of a batch as many slots as labels are wanted on it; returns how many were made.

    Slots of a task share a random key, so that they stand side by side in a random order of tasks and overlap
    completes early. Surplus labels fill no slot, and a task that is set aside gets none. Needs a transaction
    that holds the batch.
    """
    values: dict[str, str] = {
        "code": RANDOM_CODE[connection.vendor],
        "task": "task.id",
        "batch": "task.batch_id",
        "shuffle_key": "task.shuffle_key",
    }
    given: dict[str, Any] = {
        "created_at": timezone.now(),
        "kind": batch.kind,
        "state": State.OPEN,
        "priority": batch.priority,
    }
    columns, expressions, parameters = [], [], []
    for field in Assignment._meta.concrete_fields:
        if field.primary_key:
            continue
        columns.append(connection.ops.quote_name(str(field.column)))
        expressions.append(values.get(field.name, "%s"))
        if field.name not in values:
            value = given.get(field.name, field.get_default())
            parameters.append(field.get_db_prep_save(value, connection))
    slots, tasks, receipts = (model._meta.db_table for model in (Assignment, Task, Receipt))
    statement = f"""
        INSERT INTO {slots} ({", ".join(columns)})
        WITH RECURSIVE counted AS MATERIALIZED (
            SELECT task.id, task.batch_id, task.overlap,
                   count(slot.id) FILTER (
                       WHERE slot.state IN ('open', 'leased', 'submitted') AND receipt.id IS NULL
                   ) AS held,
                   coalesce(min(slot.shuffle_key), {RANDOM_KEY[connection.vendor]}) AS shuffle_key
            FROM {tasks} AS task
            LEFT JOIN {slots} AS slot ON slot.task_id = task.id
            LEFT JOIN {receipts} AS receipt
                   ON receipt.assignment_id = slot.id AND receipt.is_surplus AND receipt.withdrawn_at IS NULL
            WHERE task.batch_id = %s AND task.set_aside_at IS NULL
            GROUP BY task.id, task.batch_id, task.overlap
        ), place (number) AS (
            SELECT 1 UNION ALL
            SELECT number + 1 FROM place WHERE number < (SELECT max(overlap) FROM counted)
        )
        SELECT {", ".join(expressions)}
        FROM counted AS task JOIN place ON place.number > task.held AND place.number <= task.overlap
        ORDER BY task.id, place.number
    """
    with connection.cursor() as cursor:
        cursor.execute(statement, [batch.pk, *parameters])
        return int(cursor.rowcount)


def withdraw_excess_slots(batch: Batch) -> int:
    """Withdraw open slots beyond what is wanted on their task; what people hold or gave stays.

    Returns how many were withdrawn. Needs a transaction that holds the batch.
    """
    order = Case(
        *(When(state=state, then=Value(place)) for place, state in enumerate(HOLDING)),
        output_field=IntegerField(),
    )
    ranked = Assignment.objects.filter(batch=batch, state__in=HOLDING).annotate(
        place=Window(RowNumber(), partition_by=F("task_id"), order_by=[order, F("id")])
    )
    excess = ranked.filter(place__gt=F("task__overlap")).values("pk")
    return (
        Assignment.objects.open()
        .filter(pk__in=excess)
        .update(state=State.WITHDRAWN, finished_at=timezone.now())
    )


def withdraw_open_slots(batch: Batch) -> int:
    """Withdraw every slot of a batch that nobody has claimed; returns how many."""
    slots = Assignment.objects.open().filter(batch=batch)
    return slots.update(state=State.WITHDRAWN, finished_at=timezone.now())


def unusual_overlaps(batch: Batch, usual: Mapping[str, int]) -> dict[str, list[int]]:
    """Return the tasks of which another number of labels is wanted than usual of their pool, by that number.

    These are the anchors, and what was moved or balanced by itself.
    """
    as_usual = Q(is_anchor=False) & (
        Q(is_shared=True, overlap=usual["shared"]) | Q(is_shared=False, overlap=usual["single"])
    )
    found: dict[str, list[int]] = defaultdict(list)
    for overlap, pk in batch.tasks.exclude(as_usual).order_by("pk").values_list("overlap", "pk"):
        found[str(overlap)].append(pk)
    return dict(found)


def want_what_is_held(batch: Batch) -> int:
    """Want no more labels on each task than people hold or gave; returns how many tasks changed."""
    held = (
        Assignment.objects.filter(task=OuterRef("pk"), state__in=(State.LEASED, State.SUBMITTED))
        .exclude(pk__in=Receipt.objects.filter(is_surplus=True, withdrawn_at=None).values("assignment"))
        .order_by()
        .values("task")
        .annotate(n=Count("pk", distinct=True))
        .values("n")
    )
    number = Coalesce(Subquery(held, output_field=IntegerField()), 0)
    return Task.objects.filter(batch=batch).exclude(overlap=number).update(overlap=number)
