"""Slots: claimed, kept alive, drafted, skipped, reclaimed. Submitting stands with what is submitted.

Nothing here counts answers. A batch has as many slots as labels are wanted, and a claim turns one open slot
into a lease in one statement, so two people can never hold the same one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, Min, OuterRef
from django.utils import timezone

from labeling.errors import AssignmentClosed, InvalidInput, StaleDraft
from labeling.models import Assignment, Batch, Consent, Draft, Labeler, Qualification, Skip, Terms
from labeling.rules import claims, eligibility, readings, skips, slots, work_time
from labeling.rules.eligibility import NO_LIMITS, Limits, eligible_batches
from labeling.rules.texts import check_text, fault_in_json
from labeling.statements import Query, insert, update

State = Assignment.State
RETRY_SECONDS_MIN, RETRY_SECONDS_MAX = 5, 300
MAX_DRAFT_CHARACTERS = 400_000
RECLAIM_AT_ONCE = 500
# The labeler's own row, locked, and whether anything keeps them from taking new work of a kind.
NEWER_TERMS = Terms.objects.filter(version__gt=OuterRef("version"))
ACCEPTED = Consent.objects.filter(terms=OuterRef("pk"), user=OuterRef(OuterRef("user")))
TURN = Query(
    lambda pk, kind: (
        Labeler.objects.select_for_update(of=("self",), no_key=True)
        .select_related("preferences")
        .only("pk", "status", "languages", "preferences__avoids_distressing")
        .annotate(
            has_terms_to_accept=Exists(Terms.objects.filter(~Exists(NEWER_TERMS), ~Exists(ACCEPTED))),
            is_qualified_now=Exists(
                Qualification.objects.filter(labeler=OuterRef("pk"), kind=kind, revoked_at=None)
            ),
            holds_one=Exists(Assignment.objects.leased().filter(labeler=OuterRef("pk"), kind=kind)),
        )
        .filter(pk=pk)
        .order_by()
    ),
    pk=int,
    kind=str,
)
# The labeler's lease, of several the one taken first; one that ran out counts until it is reclaimed.
HELD = Query(
    lambda labeler, kind: slots.with_responses(
        Assignment.objects.leased()
        .filter(labeler=labeler, kind=kind)
        .select_related(*claims.TO_SERVE)
        .order_by("claimed_at", "pk")
    )[:1],
    labeler=int,
    kind=str,
)
DRAFT = Query(lambda assignment: Draft.objects.filter(assignment=assignment), assignment=int)


def claim_next(*, labeler: Labeler, kind: str) -> Assignment | None:
    """Lease the labeler's next assignment of a kind, or return the one they hold already.

    Order: batches by priority and age, in each its random order of tasks. Nobody gets a task they have a row
    on, and held-out labelers get no training work. Returns None when nothing is open for this person.
    Raises NotPermitted for a labeler who may take no new work, is not qualified, or has not read a changed
    guideline; InvalidInput for an unknown kind.
    """
    eligibility.ensure_known(kind)
    with transaction.atomic():
        turn = _take_turn(labeler, kind)
        if not turn.holds_one:
            claimed = _claim_one(labeler, kind, turn.limits, at_most=1)
            if claimed is not None:
                return claimed
        held = HELD.first(labeler=labeler.pk, kind=kind)  # or claimed while this one waited for its turn
        if held is not None:
            slots.renew_lease(held)
        return held


def prepare_next(*, labeler: Labeler, kind: str) -> Assignment | None:
    """Lease one more assignment ahead of the one at work, so that it is there at once.

    Nobody ever holds more of a kind than TASKS_IN_HAND. Returns what was leased, None if nothing was: there
    is no task at work, enough is prepared, or nothing is open. Raises what `claim_next` raises.
    """
    eligibility.ensure_known(kind)
    with transaction.atomic():
        turn = _take_turn(labeler, kind)
        held = Assignment.objects.leased().filter(labeler=labeler, kind=kind).count()
        if not 1 <= held < settings.TASKS_IN_HAND:
            return None
        return _claim_one(labeler, kind, turn.limits, at_most=settings.TASKS_IN_HAND)


@transaction.atomic
def give_back(*, labeler: Labeler, kind: str) -> int:
    """Open the slots again that a labeler holds and has not touched nor been given; returns how many."""
    TURN.first(pk=labeler.pk, kind=kind)
    return slots.open_untouched(Assignment.objects.filter(labeler=labeler, kind=kind, given_until=None))


@dataclass(frozen=True)
class Turn:
    """What a claim goes by; `holds_one` as it was when the turn was asked for, before any wait."""

    limits: Limits
    holds_one: bool


def _take_turn(labeler: Labeler, kind: str) -> Turn:
    """Let one claim of a labeler pass at a time.

    A double click must not lease two tasks. Raises NotPermitted for who may take no new work of the kind.
    """
    row: Any = TURN.first(pk=labeler.pk, kind=kind)
    may_claim = (
        row is not None
        and labeler.status == row.status == Labeler.Status.ACTIVE
        and row.is_qualified_now
        and not row.has_terms_to_accept
    )
    if not may_claim:
        labeler.refresh_from_db(fields=["status"])
        eligibility.ensure_may_claim(labeler, kind)  # which says why
    avoids = hasattr(row, "preferences") and bool(row.preferences.avoids_distressing)
    limits = Limits(avoids, tuple(row.languages)) if avoids or row.languages else NO_LIMITS
    return Turn(limits, bool(row.holds_one))


def _claim_one(labeler: Labeler, kind: str, limits: Limits, *, at_most: int) -> Assignment | None:
    batches = eligible_batches(labeler, kind)
    if not batches:
        return None
    eligibility.ensure_guideline_read(labeler, kind, batches)
    claimed = _claim(labeler, batches, limits, at_most)
    if claimed is None and reclaim_leases(kind=kind):
        claimed = _claim(labeler, batches, limits, at_most)
    return claimed


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
    Conflict for a draft of a ranking before the readings that the batch asks for.
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
    readings.check_draft(locked, content)
    draft = DRAFT.first(assignment=locked.pk)
    stored = draft.version if draft else 0
    if version != stored:
        raise StaleDraft(
            f"The stored draft is version {stored}, yours builds on version {version}; take the stored one "
            f"and merge.",
            draft=draft,
        )
    is_first = draft is None
    draft = draft or Draft(assignment=locked)
    draft.version, draft.payload, draft.saved_at = stored + 1, content, timezone.now()
    if is_first:
        insert(draft)
    else:
        update(draft, "version", "payload", "saved_at")
    slots.renew_lease(locked)
    return draft


@transaction.atomic
def heartbeat(*, assignment: Assignment, active_seconds: int = 0) -> Assignment:
    """Renew the lease and add time at work as far as it counts (`work_time.countable`); idle is not sent.

    Raises AssignmentClosed if it was answered or has run out.
    """
    locked = slots.locked(assignment)
    slots.ensure_unanswered(locked)
    if locked.state == State.EXPIRED:
        raise AssignmentClosed(
            "The lease has ended and the task is open to others. You may still submit.", code="lease_ended"
        )
    slots.renew_lease(locked)
    _renew_prepared(locked)
    added = work_time.countable(sent=active_seconds, counted=locked.active_seconds, since=locked.claimed_at)
    if added:
        Assignment.objects.filter(pk=locked.pk).update(active_seconds=F("active_seconds") + added)
    locked.refresh_from_db(fields=["active_seconds", "lease_expires_at", "last_seen_at"])
    return locked


@transaction.atomic
def skip(*, assignment: Assignment, reason: str, note: str = "") -> Skip:
    """Pass a task on, with a reason that decides where it goes (`labeling.rules.skips`).

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
    skipped = Skip.objects.create(assignment=locked, reason=reason, note=note[:2000])
    skips.route(skipped, needs_slot=was_leased)  # an expired one has been replaced already
    return skipped


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


def _claim(labeler: Labeler, batches: list[Batch], limits: Limits, at_most: int) -> Assignment | None:
    """Lease the first slot that suits, with all that serving it needs; None if there is none."""
    now = timezone.now()
    for batch in batches:
        claimed = claims.claim_slot(labeler=labeler, batch=batch, limits=limits, now=now, at_most=at_most)
        if claimed is not None:
            return claimed
    return None


def _renew_prepared(assignment: Assignment) -> None:
    """Keep what was prepared ahead for as long as the task before it is at work."""
    if settings.TASKS_IN_HAND > 1 and assignment.state == State.LEASED:
        ahead = Assignment.objects.live().filter(labeler=assignment.labeler, kind=assignment.kind)
        ahead.exclude(pk=assignment.pk).filter(lease_expires_at__lt=assignment.lease_expires_at).update(
            lease_expires_at=assignment.lease_expires_at
        )


def _json_length(value: object) -> int:
    if isinstance(value, dict):
        return sum(len(str(key)) + _json_length(part) for key, part in value.items())
    if isinstance(value, list):
        return sum(_json_length(part) for part in value)
    return len(value) if isinstance(value, str) else 8
