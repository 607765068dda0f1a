"""What claiming, drafting, skipping and submitting share: one slot, locked, renewed or replaced."""

from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import Case, Exists, JSONField, OuterRef, QuerySet, Value, When
from django.db.models.expressions import RawSQL
from django.utils import timezone

from labeling.errors import AssignmentClosed
from labeling.models import Assignment, Batch, Receipt, Response, Task
from labeling.statements import Query, update

State = Assignment.State
LAST = 2**31 - 1
LOCKED = Query(
    lambda pk: (
        Assignment.objects.select_for_update(of=("self",))
        .select_related("batch__form", "labeler", "task__prompt")
        .filter(pk=pk)
    ),
    pk=int,
)
RESPONSES = Query(
    lambda task: (
        Response.objects.filter(candidacies__task=task).only("code", "text").order_by("candidacies__position")
    ),
    task=int,
)
CODES = Query(lambda task: Response.objects.filter(candidacies__task=task).only("code").order_by(), task=int)
NUMBERS = {"postgresql": "jsonb_object_agg(r.code, r.id)", "sqlite": "json_group_object(r.code, r.id)"}


def _ready(code: UUID) -> QuerySet[Assignment]:
    numbers = (
        f"(SELECT {NUMBERS[connection.vendor]} FROM labeling_candidate c "
        "JOIN labeling_response r ON r.id = c.response_id WHERE c.task_id = labeling_assignment.task_id)"
    )
    return (
        Assignment.objects.filter(~Exists(Receipt.objects.filter(assignment=OuterRef("pk"))), code=code)
        .select_related("batch__form", "task__prompt")
        .only(
            *("code", "kind", "state", "labeler", "display_order", "claimed_at", "active_seconds"),
            *("batch__guideline", "batch__lease_seconds", "batch__settings", "batch__form__schema"),
            *("task__prompt__tags", "task__prompt__category", "task__prompt__has_pii"),
        )
        .annotate(response_numbers=RawSQL(numbers, (), output_field=JSONField()))
        .order_by()
    )


SHOWN = {
    "postgresql": """(
        SELECT json_agg(json_build_array(r.id, r.code, r.text) ORDER BY c.position)::text
        FROM labeling_candidate c JOIN labeling_response r ON r.id = c.response_id
        WHERE c.task_id = labeling_assignment.task_id)""",
    "sqlite": """(
        SELECT json_group_array(json_array(id, code, text)) FROM (
            SELECT r.id, r.code, r.text
            FROM labeling_candidate c JOIN labeling_response r ON r.id = c.response_id
            WHERE c.task_id = labeling_assignment.task_id ORDER BY c.position))""",
}


def with_responses(rows: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """Read with each row the responses of its task, which `responses_of` then takes from it."""
    shown = RawSQL(SHOWN[connection.vendor], (), output_field=JSONField())
    return rows.annotate(shown_responses=shown)


READY = Query(_ready, code=UUID)
"""A slot without a receipt, with what checking its first answer needs.

It is asked for by its code alone, so that PostgreSQL never looks for it among all that is leased or all that
a labeler has answered: `in_hand` looks at the rest.
"""


def responses_of(assignment: Assignment) -> list[Response]:
    """Return the responses of an assignment's task in their canonical order."""
    if hasattr(assignment, "shown_responses"):
        return [
            Response.from_db(DEFAULT_DB_ALIAS, ("id", "code", "text"), (pk, UUID(code), text))
            for pk, code, text in assignment.shown_responses or ()
        ]
    task = assignment.task
    if "candidates" in getattr(task, "_prefetched_objects_cache", {}):
        return [candidate.response for candidate in task.candidates.all()]
    return RESPONSES.all(task=task.pk)


def response_numbers(task: Task) -> dict[UUID, int]:
    """Return the row number of each of a task's responses by its code."""
    return {row.code: row.pk for row in CODES.all(task=task.pk)}


def in_hand(*, labeler: int | None, code: UUID) -> Assignment | None:
    """Return the slot that a labeler holds and never submitted, with what checking a first answer needs."""
    found = READY.first(code=code)
    is_held = found is not None and found.state == State.LEASED and found.labeler_id == labeler
    return found if is_held else None


def is_first_answer(assignment: Assignment) -> bool:
    """Return whether a slot was read as one without a receipt (`READY`)."""
    return hasattr(assignment, "response_numbers")


def ready(assignment: Assignment) -> Assignment | None:
    """Return the slot with what a first answer needs, None unless it is leased and was never submitted."""
    if is_first_answer(assignment):
        return assignment
    return in_hand(labeler=assignment.labeler_id, code=assignment.code)


def locked(assignment: Assignment) -> Assignment:
    """Return the row as it stands now, locked until the transaction ends."""
    found = LOCKED.first(pk=assignment.pk)
    if found is None:
        raise Assignment.DoesNotExist
    return found


def latest_receipt(assignment: Assignment) -> Receipt | None:
    """Return the receipt of the newest submission, None before the first."""
    return assignment.receipts.order_by("-revision").first()


def ensure_unanswered(assignment: Assignment) -> None:
    """Raise AssignmentClosed unless somebody holds this slot, held it until the lease ended or revises it."""
    if assignment.state == State.SUBMITTED and assignment.reopened_at is None:
        raise AssignmentClosed(
            "This assignment was submitted already.",
            code="already_submitted",
            receipt=latest_receipt(assignment),
        )
    if assignment.state == State.SKIPPED:
        raise AssignmentClosed("This assignment was skipped.", code="already_skipped")
    if assignment.state not in (State.LEASED, State.EXPIRED, State.SUBMITTED):
        raise AssignmentClosed(f"This assignment is {assignment.state}: nobody works on it.")


def renew_lease(assignment: Assignment) -> None:
    """Let the lease run its full length from now, or as long as the task is kept for its labeler.

    One that was reclaimed stays ended.
    """
    if assignment.state != State.LEASED:
        return
    now = timezone.now()
    ends = now + timedelta(seconds=assignment.batch.lease_seconds)
    assignment.last_seen_at = now
    assignment.lease_expires_at = max(ends, assignment.given_until or ends)
    update(assignment, "last_seen_at", "lease_expires_at")


def open_untouched(rows: QuerySet[Assignment]) -> int:
    """Open those of the slots again that somebody holds and has not begun; returns how many were given back.

    Where the task is set aside or its batch closed meanwhile, nobody is to have the slot next.
    """
    untouched = rows.filter(
        state=State.LEASED, active_seconds=0, draft__isnull=True, receipts__isnull=True, readings__isnull=True
    )
    served = Task.objects.filter(pk=OuterRef("task"), set_aside_at=None, batch__in=Batch.objects.running())
    return untouched.update(
        state=Case(When(Exists(served), then=Value(State.OPEN)), default=Value(State.WITHDRAWN)),
        labeler=None, claimed_at=None, last_seen_at=None, lease_expires_at=None, display_order=[],
        given_until=None,
    )  # fmt: skip


def add_replacements(assignments: Iterable[Assignment], *, at_the_end: bool = False) -> int:
    """Put a fresh open slot beside each, where its batch still runs, be it paused; returns how many.

    They stand where the old ones stood in the queue, or at its end. A task that is set aside gets none.
    Needs a transaction.
    """
    rows = list(assignments)
    served = Task.objects.filter(set_aside_at=None, batch__in=Batch.objects.running())
    chosen = served.filter(pk__in={row.task_id for row in rows}).order_by("pk")
    tasks = set(chosen.select_for_update(of=("self",), no_key=True).values_list("pk", flat=True))
    made = Assignment.objects.bulk_create(
        Assignment(
            task_id=row.task_id,
            batch_id=row.batch_id,
            kind=row.kind,
            priority=row.priority,
            shuffle_key=LAST if at_the_end else row.shuffle_key,
        )
        for row in rows
        if row.task_id in tasks
    )
    return len(made)


def is_wanted_late(assignment: Assignment) -> bool:
    """Return whether late work still counts: it takes the place of an open slot, or a label is lacking.

    A batch that was closed and a task that was set aside have no open slots, but lack what nobody gave. Needs
    a transaction; one late submission of a task at a time.
    """
    task = Task.objects.select_for_update(no_key=True).get(pk=assignment.task_id)
    if _withdraw_replacement(assignment):
        return True
    surplus = Receipt.objects.filter(assignment=OuterRef("pk"), is_surplus=True, withdrawn_at=None)
    held = Assignment.objects.filter(~Exists(surplus), task=task, state__in=(State.LEASED, State.SUBMITTED))
    return held.count() < task.overlap


def _withdraw_replacement(assignment: Assignment) -> bool:
    """Take back one open slot of the same task; False if others have claimed them all."""
    for pk in Assignment.objects.open().filter(task_id=assignment.task_id).values_list("pk", flat=True):
        changed = (
            Assignment.objects.open().filter(pk=pk).update(state=State.WITHDRAWN, finished_at=timezone.now())
        )
        if changed:
            return True
    return False
