"""Single tasks given to another batch, and so to another cohort.

A task that nobody has touched goes as it is. Of one that somebody holds or has answered, the labels still
wanted go, as a task of their own, and only to other cohorts: nobody sees one task twice.
"""

from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction

from labeling.errors import Conflict, InvalidInput
from labeling.models import Assignment, Batch, Candidate, Task, TaskKind, User
from labeling.rules import audit, slot_rows
from labeling.rules.access import Action, ensure

Status, State = Batch.Status, Assignment.State
MAX_TASKS_AT_ONCE = 1000


@dataclass(frozen=True)
class Move:
    """What became of tasks: gone whole, divided, or left because every label wanted is held or given."""

    moved: int
    divided: int
    left: int


def batches_to_move_to(batch: Batch) -> list[Batch]:
    """Return the batches that could take tasks of this one: of its kind, neither closed nor imported."""
    others = Batch.objects.filter(kind=batch.kind, is_import=False).exclude(pk=batch.pk)
    return list(others.exclude(status=Status.CLOSED).order_by("name"))


@transaction.atomic
def move_tasks(*, tasks: Collection[Task], to: Batch, by: User) -> Move:
    """Give tasks of one batch to another of the same kind.

    Raises InvalidInput for no tasks, too many, or tasks of several batches; Conflict where the other batch
    cannot take them, or shares a cohort with this one and somebody has seen a task.
    """
    ensure(by, Action.MANAGE_BATCHES)
    if not 1 <= len(tasks) <= MAX_TASKS_AT_ONCE or len({task.batch_id for task in tasks}) != 1:
        raise InvalidInput(
            f"Choose 1 to {MAX_TASKS_AT_ONCE} tasks of one batch; these are {len(tasks)}.",
            fields={"tasks": "none, too many, or of several batches"},
        )
    source_pk = next(iter(tasks)).batch_id
    locked = {row.pk: row for row in Batch.objects.select_for_update().filter(pk__in=[source_pk, to.pk])}
    source, target = locked[source_pk], locked[to.pk]
    _ensure_fits(source, target)
    rows = list(Task.objects.select_for_update().filter(pk__in=[task.pk for task in tasks]).order_by("pk"))
    seen = Assignment.objects.filter(task__in=rows, labeler__isnull=False).values_list("task", flat=True)
    touched = set(seen)
    if touched and set(source.cohorts) & set(target.cohorts):
        raise Conflict(
            f'{len(touched)} of these tasks were seen by labelers who could get them again in "{target}": '
            "move them to a batch of other cohorts.",
            code="seen_by_the_same_cohort",
        )
    whole = [task for task in rows if task.pk not in touched]
    divided = sum(_divide(task, target) for task in rows if task.pk in touched)
    _move_whole(whole, target)
    if target.status != Status.DRAFT:
        slot_rows.add_missing_slots(target)
    move = Move(moved=len(whole), divided=divided, left=len(touched) - divided)
    audit.record(
        actor=by, action="move_tasks", obj=source, to=str(target.code), moved=move.moved, divided=move.divided
    )
    return move


def _ensure_fits(source: Batch, target: Batch) -> None:
    if source.pk == target.pk:
        raise Conflict("The tasks are in this batch already.", code="same_batch")
    if target.is_import or target.status == Status.CLOSED:
        raise Conflict(f'"{target}" takes no tasks: it is closed or imported.', code="batch_closed")
    if source.is_import:
        raise Conflict(f'"{source}" was imported; its tasks stay with their labels.', code="batch_imported")
    if source.kind != target.kind:
        raise Conflict(
            f'"{target}" is for {target.kind} tasks, these are {source.kind} tasks.', code="another_kind"
        )
    if TaskKind(source.kind).is_ranked and source.k != target.k:
        raise Conflict(
            f'"{target}" compares {target.k} responses, these tasks have {source.k}.', code="another_k"
        )


def _move_whole(tasks: list[Task], target: Batch) -> None:
    """Move tasks that nobody has touched, with their slots; in a draft no slot is open yet."""
    slots = Assignment.objects.filter(task__in=tasks)
    if target.status == Status.DRAFT:
        slots.open().update(state=State.WITHDRAWN)
    slots.update(batch=target, priority=target.priority)
    Task.objects.filter(pk__in=[task.pk for task in tasks]).update(batch=target)


def _divide(task: Task, target: Batch) -> bool:
    """Give the labels of a task that nobody has taken to a copy of it; False where there is none."""
    free = task.assignments.open().update(state=State.WITHDRAWN)
    if not free:
        return False
    candidates = list(task.candidates.all())
    copy = Task.objects.create(
        batch=target, prompt_id=task.prompt_id, use_case_id=task.use_case_id, overlap=free,
        is_shared=task.is_shared, is_anchor=task.is_anchor, anchor_id=task.anchor_id,
    )  # fmt: skip
    Candidate.objects.bulk_create(
        Candidate(task=copy, response_id=each.response_id, position=each.position) for each in candidates
    )
    Task.objects.filter(pk=task.pk).update(overlap=task.overlap - free)
    return True
