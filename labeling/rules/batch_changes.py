"""Changes to a batch that runs: paused, reopened, balanced, extended, and each change undone.

Every change is one audit row that holds what stood before, so that undoing it is another change.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from labeling.errors import Conflict, InvalidInput
from labeling.models import Assignment, AuditEvent, Batch, User
from labeling.rules import audit, batches, selection, slot_rows
from labeling.rules.access import Action, ensure

WHICH = {
    "shared": "tasks of the common pool",
    "single": "tasks outside the pool",
    "all": "all tasks",
}
UNDOABLE = (
    "pause_batch", "resume_batch", "close_batch", "reopen_batch", "change_batch", "balance_batch",
    "withdraw_slots",
)  # fmt: skip
SILENT = ("add_tasks",)
TASKS_AT_ONCE = 500
CLEARABLE = ("labeler_cap", "deadline_at")
Status = Batch.Status
State = Assignment.State


@dataclass(frozen=True)
class Balance:
    """What a change of overlap did: tasks changed, slots opened, open slots withdrawn."""

    tasks: int
    opened: int
    withdrawn: int


def pause_batch(*, batch: Batch, by: User | None = None, reason: str = "") -> Batch:
    """Give out no more of its tasks for now; what people hold they may finish. Conflict unless it is open."""
    return _move(batch, by, Status.OPEN, Status.PAUSED, "pause_batch", reason=reason)


def resume_batch(*, batch: Batch, by: User | None = None) -> Batch:
    """Give its tasks out again. Conflict unless it is paused."""
    return _move(batch, by, Status.PAUSED, Status.OPEN, "resume_batch")


@transaction.atomic
def reopen_batch(*, batch: Batch, by: User | None = None) -> Batch:
    """Open a closed batch again: each task gets back the slots it lacks.

    Raises Conflict unless the batch is closed, made here, and still lacks labels.
    """
    _allow(by)
    if batch.is_import:
        raise Conflict(f'Batch "{batch}" was imported; nobody labels it here.', code="batch_imported")
    changed = Batch.objects.filter(pk=batch.pk, status=Status.CLOSED).update(
        status=Status.OPEN, closed_at=None
    )
    if changed != 1:
        raise Conflict(f'Batch "{batch}" is not closed, so it cannot be reopened.', code="batch_not_closed")
    batch.refresh_from_db()
    opened = slot_rows.add_missing_slots(batch)
    if not opened and not Assignment.objects.leased().filter(batch=batch).exists():
        raise Conflict(
            f'Batch "{batch}" has every label it wanted. Add prompts or raise the overlap in a new batch.',
            code="batch_complete",
        )
    audit.record(
        actor=by, action="reopen_batch", obj=batch, opened=opened, before={"status": Status.CLOSED.value}
    )
    return batch


@transaction.atomic
def change_batch(
    *,
    batch: Batch,
    by: User | None = None,
    name: str | None = None,
    priority: int | None = None,
    lease_seconds: int | None = None,
    cohorts: Sequence[str] | None = None,
    labeler_cap: int | None = None,
    deadline_at: datetime | None = None,
    clears: Collection[str] = (),
) -> Batch:
    """Change what may change while people work: name, priority, lease, cohorts, cap per labeler, deadline.

    What is not named stays; `clears` names what is taken away, the cap or the deadline. A new priority holds
    for the open slots too, a new cap from the next claim. Raises InvalidInput naming every field that does
    not fit, Conflict for an imported batch.
    """
    _allow(by)
    if batch.is_import:
        raise Conflict(f'Batch "{batch}" was imported; nobody labels it here.', code="batch_imported")
    wanted: dict[str, Any] = {
        field: value
        for field, value in (
            ("name", name.strip() if name is not None else None),
            ("priority", priority),
            ("lease_seconds", lease_seconds),
            ("cohorts", sorted(set(cohorts)) if cohorts is not None else None),
            ("labeler_cap", labeler_cap),
            ("deadline_at", deadline_at),
        )
        if value is not None
    } | dict.fromkeys(clears)
    _check(batch, wanted)
    locked = Batch.objects.select_for_update().get(pk=batch.pk)
    before = {field: getattr(locked, field) for field in wanted if getattr(locked, field) != wanted[field]}
    if not before:
        return locked
    for field in before:
        setattr(locked, field, wanted[field])
    locked.save(update_fields=list(before))
    if "priority" in before:
        locked.assignments.filter(state__in=(State.OPEN, State.LEASED)).update(priority=locked.priority)
    audit.record(
        actor=by,
        action="change_batch",
        obj=locked,
        before={field: _plain(value) for field, value in before.items()},
        after={field: _plain(wanted[field]) for field in before},
    )
    batch.refresh_from_db()
    return batch


@transaction.atomic
def balance_batch(
    *, batch: Batch, overlap: int, which: str = "shared", only_unanswered: bool = True, by: User | None = None
) -> Balance:
    """Change how many labelers are wanted on the tasks of a draft, open or paused batch.

    `which` is shared, single or all; with `only_unanswered` a task that anybody holds or has answered stays
    as it is. Anchors are left alone. Slots beyond the new number are withdrawn if nobody has claimed them,
    missing ones are opened. Raises InvalidInput, or Conflict for a closed batch.
    """
    _allow(by)
    if which not in WHICH:
        raise InvalidInput(
            f'which is "{which}", must be one of {", ".join(WHICH)}.', fields={"which": "unknown"}
        )
    if not 1 <= overlap <= batches.MAX_OVERLAP:
        raise InvalidInput(
            f"overlap is {overlap}, must be 1 to {batches.MAX_OVERLAP}.", fields={"overlap": "out of range"}
        )
    locked = Batch.objects.select_for_update().get(pk=batch.pk)
    if locked.status == Status.CLOSED or locked.is_import:
        raise Conflict(f'Batch "{batch}" is closed; reopen it first.', code="batch_not_open")
    targets = batches.overlaps_of(locked)
    chosen = targets if which == "all" else (which,)
    wanted = targets | dict.fromkeys(chosen, overlap)
    overlaps = slot_rows.unusual_overlaps(locked, targets)
    done = _level(locked, wanted, only_unanswered)
    audit.record(
        actor=by,
        action="balance_batch",
        obj=locked,
        which=which,
        overlap=overlap,
        only_unanswered=only_unanswered,
        tasks=done.tasks,
        opened=done.opened,
        withdrawn=done.withdrawn,
        before=targets,
        overlaps=overlaps,
    )
    batch.refresh_from_db()
    return done


@transaction.atomic
def withdraw_slots(*, batch: Batch, by: User | None = None) -> Balance:
    """Take back every open slot of a batch that goes on: what people hold or gave is all it wants now.

    Undoing it opens them again, also those of anchors. Raises Conflict unless the batch is open or paused.
    """
    _allow(by)
    locked = Batch.objects.select_for_update().get(pk=batch.pk)
    if locked.status not in (Status.OPEN, Status.PAUSED):
        raise Conflict(f'Batch "{batch}" is not open, so no slot waits.', code="batch_not_open")
    waiting = Assignment.objects.open().filter(task=OuterRef("pk"))
    ids = list(locked.tasks.filter(Exists(waiting)).values_list("pk", flat=True))
    targets = batches.overlaps_of(locked)
    overlaps = slot_rows.unusual_overlaps(locked, targets)
    withdrawn = slot_rows.withdraw_open_slots(locked)
    changed = slot_rows.want_what_is_held(locked)
    audit.record(
        actor=by, action="withdraw_slots", obj=locked, tasks=len(ids), withdrawn=withdrawn, before=targets,
        overlaps=overlaps,
    )  # fmt: skip
    return Balance(changed, 0, withdrawn)


@transaction.atomic
def extend_batch(
    *,
    batch: Batch,
    choice: selection.Choice,
    count: int,
    seed: int | None = None,
    key: UUID | None = None,
    by: User | None = None,
) -> int:
    """Draw more prompts into a batch that runs, with slots at once; returns how many tasks were added.

    Raises InvalidInput where fewer than one prompt matches, Conflict for a closed or imported batch, and for
    a `key` under which prompts were added before: who may ask twice gives one.
    """
    _allow(by)
    locked = Batch.objects.select_for_update().get(pk=batch.pk)
    if locked.status == Status.CLOSED or locked.is_import:
        raise Conflict(f'Batch "{batch}" is closed; reopen it first.', code="batch_not_open")
    if key is not None and any(
        drawn.get("key") == str(key) for drawn in locked.settings.get("extensions", ())
    ):
        raise Conflict("These prompts are added already; nothing was added twice.", code="prompts_added")
    added = selection.fill_batch(
        batch=locked, choice=choice, count=count, seed=seed, while_running=True, key=key
    )
    if not added:
        raise InvalidInput("No further prompt matches; change the filters.", fields={"count": "none match"})
    opened = slot_rows.add_missing_slots(locked) if locked.status != Status.DRAFT else 0
    audit.record(actor=by, action="extend_batch", obj=locked, tasks=added, opened=opened)
    batch.refresh_from_db()
    return added


def last_undoable(batch: Batch) -> AuditEvent | None:
    """Return the newest change of a batch if it can be undone."""
    changes = AuditEvent.objects.filter(object_type="batch", object_code=str(batch.code))
    newest = changes.exclude(action__in=SILENT).select_related("actor").first()
    return newest if newest is not None and newest.action in UNDOABLE else None


@transaction.atomic
def undo_change(*, batch: Batch, event: AuditEvent, by: User | None = None) -> Batch:
    """Put back what the newest change of a batch had changed, as a change of its own.

    Raises Conflict if something else was changed since.
    """
    _allow(by)
    newest = last_undoable(batch)
    if newest is None or newest.pk != event.pk:
        raise Conflict("Something else was changed since; look at the batch again.", code="not_the_newest")
    before: Mapping[str, Any] = event.detail.get("before", {})
    if event.action == "pause_batch":
        resume_batch(batch=batch, by=by)
    elif event.action == "resume_batch":
        pause_batch(batch=batch, by=by)
    elif event.action == "close_batch":
        reopen_batch(batch=batch, by=by)
    elif event.action == "reopen_batch":
        batches.close_batch(batch=batch, by=by)
    elif event.action == "change_batch":
        values = dict(before)
        deadline = values.pop("deadline_at", None)
        change_batch(
            batch=batch,
            by=by,
            deadline_at=parse_datetime(deadline) if deadline else None,
            clears=[field for field in CLEARABLE if field in before and before[field] is None],
            **values,
        )
    else:
        locked = Batch.objects.select_for_update().get(pk=batch.pk)
        targets = dict(before) or batches.overlaps_of(locked)
        only_unanswered = bool(event.detail.get("only_unanswered", False))
        done = _level(locked, targets, only_unanswered, event.detail.get("overlaps", {}))
        audit.record(
            actor=by, action="undo_change", obj=locked, undone=event.action, opened=done.opened,
            withdrawn=done.withdrawn,
        )  # fmt: skip
    batch.refresh_from_db()
    return batch


def _level(
    batch: Batch,
    targets: Mapping[str, int],
    only_unanswered: bool,
    unusual: Mapping[str, Sequence[int]] | None = None,
) -> Balance:
    """Bring tasks and slots to the numbers wanted of shared tasks and of the others.

    `unusual` names the tasks of which another number is wanted, anchors among them.
    """
    changed = 0
    tasks = batch.tasks.all()
    if only_unanswered:
        answered = Assignment.objects.filter(task=OuterRef("pk"), state__in=(State.LEASED, State.SUBMITTED))
        tasks = tasks.filter(~Exists(answered))
    for which, overlap in targets.items():
        chosen = tasks.filter(is_shared=which == "shared", is_anchor=False).exclude(overlap=overlap)
        changed += chosen.update(overlap=overlap)
    for number, keys in (unusual or {}).items():
        for start in range(0, len(keys), TASKS_AT_ONCE):
            tasks.filter(pk__in=keys[start : start + TASKS_AT_ONCE]).update(overlap=int(number))
    batch.overlap = targets["shared"]
    batch.settings = {**batch.settings, "single_overlap": targets["single"]}
    batch.save(update_fields=["overlap", "settings"])
    if batch.status == Status.DRAFT:
        return Balance(changed, 0, 0)
    withdrawn = slot_rows.withdraw_excess_slots(batch)
    return Balance(changed, slot_rows.add_missing_slots(batch), withdrawn)


@transaction.atomic
def _move(batch: Batch, by: User | None, old: str, new: str, action: str, **detail: object) -> Batch:
    _allow(by)
    if Batch.objects.filter(pk=batch.pk, status=old).update(status=new) != 1:
        raise Conflict(f'Batch "{batch}" is not {old}, so it cannot become {new}.', code=f"batch_not_{old}")
    audit.record(actor=by, action=action, obj=batch, **{key: value for key, value in detail.items() if value})
    batch.refresh_from_db()
    return batch


def _check(batch: Batch, wanted: Mapping[str, Any]) -> None:
    faults = batches.faults_in_rules(batch.kind, wanted)
    deadline = wanted.get("deadline_at")
    if deadline is not None and deadline <= timezone.now():
        faults["deadline_at"] = "is over already; give a later one, or none"
    if faults:
        sentence = "; ".join(f"{field} {fault}" for field, fault in faults.items())
        raise InvalidInput(f"This batch cannot be changed so: {sentence}.", fields=faults)


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _allow(by: User | None) -> None:
    if by is not None:
        ensure(by, Action.MANAGE_BATCHES)
