"""Slots: claimed, kept alive, drafted, skipped, reclaimed. Submitting stands with what is submitted.

Nothing here counts answers. A batch has as many slots as labels are wanted, and a claim turns one open slot
into a lease in one statement, so two people can never hold the same one.
"""

import random
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef, Subquery
from django.utils import timezone

from labeling.errors import AssignmentClosed, InvalidInput, NotPermitted, StaleDraft
from labeling.models import Assignment, Batch, Cohort, Draft, Labeler, Skip, TaskKind
from labeling.rules import access, slots
from labeling.rules.texts import check_text, fault_in_json

State = Assignment.State
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 5, 300
MAX_HEARTBEAT_SECONDS = 120
MAX_DRAFT_CHARACTERS = 400_000
RECLAIM_AT_ONCE = 500


def claim_next(*, labeler: Labeler, kind: str) -> Assignment | None:
    """Lease the labeler's next assignment of a kind, or return the one they hold already.

    Order: batch priority, then the random order of tasks. Nobody gets a task they have a row on, and
    held-out labelers get no training work. Returns None when nothing is open for this person.
    Raises NotPermitted for a labeler who is not active or not qualified, InvalidInput for an unknown kind.
    """
    _ensure_may_claim(labeler, kind)
    with transaction.atomic():
        # One claim at a time for each labeler: a double click must not lease two tasks.
        Labeler.objects.select_for_update(no_key=True).only("pk").get(pk=labeler.pk)
        held = _held(labeler, kind)
        if held is not None:
            slots.renew_lease(held)
            return held
        batches = eligible_batches(labeler, kind)
        claimed = batches and (
            _claim(labeler, kind, batches) or (reclaim_leases(kind=kind) and _claim(labeler, kind, batches))
        )
        return _prepared(labeler, kind) if claimed else None


def retry_after(*, labeler: Labeler, kind: str) -> int:
    """Return in how many seconds asking again makes sense: when the next lease of others may end."""
    seconds = seconds_until_free(labeler=labeler, kind=kind)
    if seconds is None:
        return RETRY_SECONDS_MAX // 5 if eligible_batches(labeler, kind) else RETRY_SECONDS_MAX
    return max(RETRY_SECONDS_MIN, min(RETRY_SECONDS_MAX, seconds))


def seconds_until_free(*, labeler: Labeler, kind: str) -> int | None:
    """Return in how many seconds the next lease of others may end; None if nobody else holds a task."""
    next_end: datetime | None = (
        Assignment.objects.leased()
        .filter(batch_id__in=[batch.pk for batch in eligible_batches(labeler, kind)])
        .exclude(labeler=labeler)
        .aggregate(first=Min("lease_expires_at"))["first"]
    )
    return None if next_end is None else max(0, int((next_end - timezone.now()).total_seconds()) + 1)


@transaction.atomic
def save_draft(*, assignment: Assignment, version: int, payload: Mapping[str, Any]) -> Draft:
    """Store unsubmitted work as the next version and renew the lease.

    `version` must be the stored one (0 for none): raises StaleDraft, carrying the stored draft, if another
    tab was faster. A draft is taken even after the lease has ended; AssignmentClosed once there is an answer.
    """
    content = dict(payload)
    fault = fault_in_json(content)
    if fault:
        raise InvalidInput(f"The draft {fault}.", fields={"payload": fault})
    if _json_length(content) > MAX_DRAFT_CHARACTERS:
        raise InvalidInput(
            f"A draft has at most {MAX_DRAFT_CHARACTERS} characters.", fields={"payload": "too long"}
        )
    locked = slots.locked(assignment)
    slots.ensure_unanswered(locked)
    draft = Draft.objects.filter(assignment=locked).first()
    stored = draft.version if draft else 0
    if version != stored:
        raise StaleDraft(
            f"The stored draft is version {stored}, yours builds on version {version}; take the stored one "
            f"and merge.",
            draft=draft,
        )
    if draft is None:
        draft = Draft(assignment=locked)
    draft.version, draft.payload, draft.saved_at = stored + 1, content, timezone.now()
    draft.save()
    slots.renew_lease(locked)
    return draft


@transaction.atomic
def heartbeat(*, assignment: Assignment, active_seconds: int = 0) -> Assignment:
    """Renew the lease and add time at work (at most two minutes a beat; idle time is not sent).

    Raises AssignmentClosed if it was answered or has run out.
    """
    locked = slots.locked(assignment)
    slots.ensure_unanswered(locked)
    if locked.state == State.EXPIRED:
        raise AssignmentClosed(
            "The lease has ended and the task is open to others. You may still submit.", code="lease_ended"
        )
    slots.renew_lease(locked)
    added = max(0, min(MAX_HEARTBEAT_SECONDS, active_seconds))
    if added:
        Assignment.objects.filter(pk=locked.pk).update(active_seconds=F("active_seconds") + added)
    locked.refresh_from_db(fields=["active_seconds", "lease_expires_at", "last_seen_at"])
    return locked


@transaction.atomic
def skip(*, assignment: Assignment, reason: str, note: str = "") -> Skip:
    """Pass a task on, with a reason; a fresh slot takes its place.

    Skipping twice answers with the first skip. Raises InvalidInput for an unknown reason, AssignmentClosed
    if it was answered.
    """
    if reason not in Skip.Reason.values:
        allowed = ", ".join(Skip.Reason.values)
        raise InvalidInput(
            f'reason "{reason}" is not one of {allowed}.', fields={"reason": f"one of {allowed}"}
        )
    note = check_text(note, field="note")
    locked = slots.locked(assignment)
    if locked.state == State.SKIPPED:
        return locked.skip
    if locked.state == State.SUBMITTED:
        raise AssignmentClosed(
            "This assignment was submitted; what you submitted stands.",
            code="already_submitted",
            receipt=slots.latest_receipt(locked),
        )
    slots.ensure_unanswered(locked)
    was_leased = locked.state == State.LEASED
    locked.state, locked.finished_at = State.SKIPPED, timezone.now()
    locked.save(update_fields=["state", "finished_at"])
    if was_leased:  # an expired one has been replaced already
        slots.add_replacements([locked])
    return Skip.objects.create(assignment=locked, reason=reason, note=note[:2000])


def reclaim_leases(kind: str | None = None) -> int:
    """End leases that ran out and put fresh slots in their place; returns how many.

    The old row keeps its labeler and draft, so late work is not lost. Safe to run twice at once.
    """
    reclaimed = 0
    while True:
        with transaction.atomic():
            overdue = Assignment.objects.overdue().order_by("lease_expires_at")
            if kind is not None:
                overdue = overdue.filter(kind=kind)
            rows = list(overdue.select_for_update(skip_locked=True)[:RECLAIM_AT_ONCE])
            Assignment.objects.filter(pk__in=[row.pk for row in rows]).update(
                state=State.EXPIRED, finished_at=timezone.now()
            )
            slots.add_replacements(rows)
        reclaimed += len(rows)
        if len(rows) < RECLAIM_AT_ONCE:
            return reclaimed


def _ensure_may_claim(labeler: Labeler, kind: str) -> None:
    if kind not in TaskKind.values:
        allowed = ", ".join(TaskKind.values)
        raise InvalidInput(f'kind "{kind}" is not one of {allowed}.', fields={"kind": f"one of {allowed}"})
    access.ensure_may_work(labeler)
    if not labeler.is_qualified(kind):
        raise NotPermitted(f"This needs the qualification for {kind} tasks.", code="not_qualified")


def eligible_batches(labeler: Labeler, kind: str) -> list[Batch]:
    if labeler.cohort == Cohort.HELD_OUT and kind != TaskKind.EVALUATION:
        return []
    batches = Batch.objects.open().filter(kind=kind).only("pk", "cohorts", "lease_seconds")
    return [batch for batch in batches if labeler.cohort in batch.cohorts]


def _held(labeler: Labeler, kind: str) -> Assignment | None:
    """The labeler's lease, with all that serving it needs; one that ran out counts until it is reclaimed."""
    return (
        Assignment.objects.leased()
        .filter(labeler=labeler, kind=kind)
        .select_related("task__prompt", "batch__guideline", "batch__form", "labeler", "draft")
        .prefetch_related("task__candidates__response")
        .order_by("-claimed_at")
        .first()
    )


def _claim(labeler: Labeler, kind: str, batches: list[Batch]) -> bool:
    """Turn the first open slot into a lease, in one statement; False if there is none."""
    now = timezone.now()
    mine = Assignment.objects.filter(task=OuterRef("task"), labeler=labeler)
    first = (
        Assignment.objects.open()
        .filter(~Exists(mine), kind=kind, batch_id__in=[batch.pk for batch in batches])
        .order_by("-priority", "shuffle_key", "id")
        .select_for_update(skip_locked=True)
        .values("pk")[:1]
    )
    claimed = Assignment.objects.open().filter(pk=Subquery(first))
    return (
        claimed.update(
            state=State.LEASED,
            labeler=labeler,
            claimed_at=now,
            last_seen_at=now,
            lease_expires_at=now + timedelta(seconds=min(batch.lease_seconds for batch in batches)),
        )
        == 1
    )


def _prepared(labeler: Labeler, kind: str) -> Assignment | None:
    """Give a fresh lease its own length and the order in which this labeler sees the responses."""
    assignment = _held(labeler, kind)
    if assignment is None:
        return None
    order = [str(candidate.response.code) for candidate in assignment.task.candidates.all()]
    random.shuffle(order)
    assignment.display_order = order
    assignment.lease_expires_at = timezone.now() + timedelta(seconds=assignment.batch.lease_seconds)
    assignment.save(update_fields=["display_order", "lease_expires_at"])
    return assignment


def _json_length(value: object) -> int:
    if isinstance(value, dict):
        return sum(len(str(key)) + _json_length(part) for key, part in value.items())
    if isinstance(value, list):
        return sum(_json_length(part) for part in value)
    return len(value) if isinstance(value, str) else 8
