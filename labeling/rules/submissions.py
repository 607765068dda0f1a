"""What every submission does, whatever it carries: once only, with a receipt, and never lost."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from labeling.errors import AssignmentClosed, InvalidInput
from labeling.models import Assignment, Demonstration, Draft, Ranking, Receipt, WrittenPrompt
from labeling.rules import readings, slots
from labeling.rules.texts import fault_in_json
from labeling.statements import Query, insert, update

MAX_KEY_LENGTH = 80
L = TypeVar("L", Demonstration, Ranking, WrittenPrompt)
# The receipt under this key, if it was used before, and all receipts of the assignment.
RECEIPTS = Query(
    lambda labeler, key, assignment: Receipt.objects.filter(
        Q(labeler=labeler, idempotency_key=key) | Q(assignment=assignment)
    ),
    labeler=int,
    key=str,
    assignment=int,
)


@dataclass(frozen=True)
class Submission:
    """A submission under way: the locked assignment, or the receipt of the same one made before.

    `revised` is the receipt of the newest submission that this one revises, None for a first one.
    """

    assignment: Assignment
    key: str
    receipt: Receipt | None = None
    revised: Receipt | None = None

    @property
    def is_late(self) -> bool:
        """True if the lease was reclaimed, so that a fresh slot stands beside this one."""
        return self.assignment.state == Assignment.State.EXPIRED

    @property
    def is_revision(self) -> bool:
        """True if the labeler reopened what they had submitted."""
        return self.assignment.state == Assignment.State.SUBMITTED

    @property
    def seconds(self) -> int:
        """Time at work: as the page measured it, else since the claim, at most the lease's length."""
        if self.assignment.active_seconds:
            return self.assignment.active_seconds
        if self.assignment.claimed_at is None:
            return 0
        elapsed = int((timezone.now() - self.assignment.claimed_at).total_seconds())
        return max(0, min(elapsed, self.assignment.batch.lease_seconds))


def check_key(idempotency_key: str) -> None:
    """Raise InvalidInput unless the key has 1 to 80 characters that can be stored."""
    if not 1 <= len(idempotency_key) <= MAX_KEY_LENGTH or fault_in_json(idempotency_key):
        raise InvalidInput(
            f"The Idempotency-Key has 1 to {MAX_KEY_LENGTH} characters, this one has {len(idempotency_key)}.",
            fields={"idempotency_key": "length"},
        )


def start_submission(
    *, assignment: Assignment, idempotency_key: str, content: Mapping[str, Any]
) -> Submission:
    """Lock the assignment; needs a transaction. A repeated key finds its receipt.

    Only the same content is a repeat, and only while its receipt stands. Raises AssignmentClosed
    (`already_submitted`, with the receipt) for anything else on a submitted assignment, InvalidInput if the
    key was used for another submission or is too long.
    """
    check_key(idempotency_key)
    locked = slots.locked(assignment)
    receipts = RECEIPTS.all(labeler=locked.labeler_id, key=idempotency_key, assignment=locked.pk)
    found = sorted(receipts, key=lambda receipt: receipt.revision)
    known = next(
        (
            receipt
            for receipt in found
            if receipt.idempotency_key == idempotency_key and receipt.labeler_id == locked.labeler_id
        ),
        None,
    )
    if known is not None:
        if known.assignment_id != locked.pk:
            raise InvalidInput(
                "This Idempotency-Key was used for another assignment; make a new one for each.",
                code="idempotency_key_reused",
                fields={"idempotency_key": "used before"},
            )
        if _is_repeat(known, content, locked, found[-1]):
            return Submission(locked, idempotency_key, known)
    slots.ensure_unanswered(locked)
    if known is not None:
        raise InvalidInput(
            "What was submitted from here under this Idempotency-Key was taken back or reopened since: "
            "submit again, under a new key.",
            code="idempotency_key_reused",
            fields={"idempotency_key": "used before"},
        )
    return Submission(locked, idempotency_key, revised=found[-1] if found else None)


def settle_slot(submission: Submission) -> bool:
    """Mark the slot as submitted; returns whether the work is surplus.

    Late work takes the place of the fresh slot if nobody has claimed that one yet, and counts as long as its
    task lacks a label. A revision counts as what it revises did.
    """
    assignment = submission.assignment
    if submission.is_revision:
        assignment.reopened_at = None
        assignment.save(update_fields=["reopened_at"])
        return submission.revised is not None and submission.revised.is_surplus
    is_surplus = submission.is_late and not slots.is_wanted_late(assignment)
    assignment.state = Assignment.State.SUBMITTED
    assignment.finished_at = timezone.now()
    update(assignment, "state", "finished_at")
    return is_surplus


def give_receipt(submission: Submission, *, content: Mapping[str, Any], is_surplus: bool) -> Receipt:
    """Store the proof of a submission."""
    receipt = new_receipt(submission, content=content, is_surplus=is_surplus)
    insert(receipt)
    return receipt


def new_receipt(submission: Submission, *, content: Mapping[str, Any], is_surplus: bool) -> Receipt:
    """Return the proof of a submission, not stored yet."""
    assignment = submission.assignment
    assert assignment.labeler_id is not None  # a claimed slot has a labeler: a database constraint
    return Receipt(
        assignment=assignment,
        labeler_id=assignment.labeler_id,
        idempotency_key=submission.key,
        content=dict(content),
        content_hash=_content_hash(content),
        revision=submission.revised.revision + 1 if submission.revised else 1,
        is_surplus=is_surplus,
    )


def keep_as_draft(*, assignment: Assignment, payload: Mapping[str, Any]) -> None:
    """Keep what a refused submission carried, so that nothing has to be typed twice.

    A part that is blank or of another shape leaves what the draft has of it as it stands.
    """
    content = {name: value for name, value in payload.items() if _is_worth_keeping(name, value)}
    if not content or fault_in_json(content):
        return
    with transaction.atomic():
        locked = slots.locked(assignment)
        try:
            slots.ensure_unanswered(locked)
        except AssignmentClosed:
            return
        if readings.are_awaited(locked):
            return
        draft = Draft.objects.filter(assignment=locked).first() or Draft(assignment=locked)
        draft.payload = {**draft.payload, **content}
        draft.version, draft.saved_at = draft.version + 1, timezone.now()
        draft.save()


def revision_of(submission: Submission, labels: QuerySet[L]) -> dict[str, Any]:
    """Return the fields by which a label revises the newest of `labels`; none for a first submission."""
    if submission.revised is None:
        return {}
    previous = labels.filter(assignment=submission.assignment, superseded_by=None).order_by("pk").last()
    return {"revision": previous.revision + 1, "supersedes": previous} if previous is not None else {}


def _is_worth_keeping(name: str, value: object) -> bool:
    if name == "text":
        return isinstance(value, str) and bool(value.strip())
    if name in ("responses", "pairs"):
        return isinstance(value, list) and bool(value)
    return True


def _is_repeat(known: Receipt, content: Mapping[str, Any], assignment: Assignment, newest: Receipt) -> bool:
    """Return whether this submission is the one that a receipt proves, sent once more.

    A receipt that was taken back proves nothing now; while the assignment is reopened only the newest stands.
    """
    stands = known.withdrawn_at is None and (known == newest or assignment.reopened_at is None)
    return stands and known.content_hash == _content_hash(content)


def content_key(assignment: Assignment, content: object) -> str:
    """Return a key for a client that sends none: the same content again is the same submission.

    Once that was taken back or reopened, the same content is the next one.
    """
    newest = None if slots.is_first_answer(assignment) else slots.latest_receipt(assignment)
    revision = newest.revision if newest else 1
    if newest and (newest.withdrawn_at is not None or assignment.reopened_at is not None):
        revision += 1
    told = {"assignment": str(assignment.code), "revision": revision, "content": content}
    return "content-" + _content_hash(told)


def _content_hash(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
