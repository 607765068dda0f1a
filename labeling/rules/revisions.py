"""Second thoughts about what was submitted: taken back within seconds, or revised for a while after.

Taking back hands the task to the labeler again as if it had not been submitted: what was recorded is kept
and counts no more. Reopening lets what was submitted stand until a revision takes its place. In a batch for
learning neither is possible: the reference has been seen.
"""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeling.errors import Conflict
from labeling.models import Assignment, Demonstration, Draft, Labeler, Prompt, Ranking, Receipt, WrittenPrompt
from labeling.rules import prompt_judgements, slots
from labeling.rules.feedback import gives_feedback
from labeling.rules.written_prompts import WITHDRAWN

State = Assignment.State


def undo_until(receipt: Receipt) -> datetime:
    """Return until when a submission may be taken back."""
    return receipt.created_at + timedelta(seconds=settings.UNDO_SECONDS)


def reopen_until(receipt: Receipt) -> datetime:
    """Return until when a submission may be reopened."""
    return receipt.created_at + timedelta(minutes=settings.REOPEN_MINUTES)


def last_submission(labeler: Labeler) -> Receipt | None:
    """Return the receipt of what a labeler submitted last, None before the first."""
    return (
        labeler.receipts.filter(withdrawn_at=None)
        .select_related("assignment__task__prompt", "assignment__task__use_case", "assignment__batch")
        .order_by("-created_at", "-pk")
        .first()
    )


def may_undo(receipt: Receipt, *, is_last: bool = False) -> bool:
    """Return whether this submission can still be taken back; `is_last` where that is known already.

    A revision is not taken back: it can be revised again.
    """
    return (
        receipt.withdrawn_at is None
        and not receipt.is_surplus
        and receipt.assignment.state == State.SUBMITTED
        and timezone.now() < undo_until(receipt)
        and not gives_feedback(receipt.assignment.batch)
        and not _revises_what_stands(receipt)
        and (is_last or last_submission(receipt.labeler) == receipt)
    )


def may_reopen(receipt: Receipt, *, is_last: bool = False) -> bool:
    """Return whether this submission is the labeler's last and recent enough to be revised."""
    return (
        receipt.withdrawn_at is None
        and receipt.assignment.state == State.SUBMITTED
        and timezone.now() < reopen_until(receipt)
        and not gives_feedback(receipt.assignment.batch)
        and (is_last or last_submission(receipt.labeler) == receipt)
    )


@transaction.atomic
def undo_submission(*, receipt: Receipt) -> Assignment:
    """Take a submission back: the task is in hand again, with what was submitted as its draft.

    The label is kept as surplus, so that it counts nowhere. Taking back twice does nothing more. Raises
    Conflict when the seconds for it have passed or something else was submitted since.
    """
    slot = slots.locked(receipt.assignment)
    receipt.refresh_from_db()
    if receipt.withdrawn_at is not None and slot.state == State.LEASED:
        return slot
    if slot.state != State.SUBMITTED or not may_undo(receipt):
        raise Conflict(
            f"A submission can be taken back for {settings.UNDO_SECONDS} seconds; this one stands. You may "
            f"still reopen your last submission for {settings.REOPEN_MINUTES} minutes.",
            code="too_late_to_undo",
        )
    receipt.withdrawn_at = timezone.now()
    receipt.save(update_fields=["withdrawn_at"])
    for labels in _labels_of(slot):
        labels.update(is_surplus=True)
    prompt_judgements.take_back_about(receipt=receipt)
    Prompt.objects.usable().filter(written_prompts__assignment=slot).update(held_reason=WITHDRAWN)
    slot.state, slot.finished_at, slot.reopened_at = State.LEASED, None, None
    slot.save(update_fields=["state", "finished_at", "reopened_at"])
    slots.renew_lease(slot)
    put_into_draft(slot, receipt.content)
    return slot


@transaction.atomic
def reopen_submission(*, receipt: Receipt) -> Assignment:
    """Let a labeler revise their last submission, which stands until they submit again.

    Reopening twice does nothing more. Raises Conflict when the time for it has passed or something else was
    submitted since.
    """
    slot = slots.locked(receipt.assignment)
    if slot.reopened_at is not None:
        return slot
    if slot.state != State.SUBMITTED or not may_reopen(receipt):
        raise Conflict(
            f"Only your last submission can be reopened, for {settings.REOPEN_MINUTES} minutes; this one "
            "stands as it is.",
            code="too_late_to_reopen",
        )
    slot.reopened_at = timezone.now()
    slot.save(update_fields=["reopened_at"])
    put_into_draft(slot, receipt.content)
    return slot


@transaction.atomic
def keep_as_submitted(*, assignment: Assignment) -> Assignment:
    """End a revision without a change: what was submitted stands."""
    slot = slots.locked(assignment)
    if slot.reopened_at is not None:
        slot.reopened_at = None
        slot.save(update_fields=["reopened_at"])
    return slot


def put_into_draft(slot: Assignment, content: dict[str, Any]) -> None:
    """Begin a revision with what was submitted. A draft no younger than its reopening is untouched."""
    draft = Draft.objects.filter(assignment=slot).first() or Draft(assignment=slot)
    draft.payload, draft.version = dict(content), draft.version + 1
    draft.saved_at = slot.reopened_at or timezone.now()
    draft.save()


def ensure_not_begun(slot: Assignment) -> None:
    """Raise Conflict where its labeler has saved words of a revision, which ending it would lose."""
    if slot.reopened_at is None:
        return
    if Draft.objects.filter(assignment=slot, saved_at__gt=slot.reopened_at).exists():
        raise Conflict(
            f"Its labeler is revising it since {timezone.localtime(slot.reopened_at):%d %B, %H:%M}, and "
            "would lose what they wrote. Wait for the revision; until then it can be accepted or left out as "
            "it is.",
            code="being_revised",
        )


def _revises_what_stands(receipt: Receipt) -> bool:
    return (
        receipt.revision > 1
        and receipt.assignment.receipts.filter(revision__lt=receipt.revision, withdrawn_at=None).exists()
    )


def _labels_of(slot: Assignment) -> list[QuerySet[Any]]:
    return [
        labels.filter(assignment=slot, superseded_by=None)
        for labels in (Demonstration.objects.all(), Ranking.objects.all(), WrittenPrompt.objects.all())
    ]
