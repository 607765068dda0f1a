"""Readings: what a labeler takes each response to say before they see the prompt.

The "naive interpretation" of Stiennon et al. 2020, appendix: what a response leaves unclear shows before the
prompt fills it in. A batch asks for it by its setting `reads_first`; until a slot has its readings, nothing
that reaches its labeler holds the prompt, and nothing is taken that would need it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import Assignment, Batch, Draft, Reading
from labeling.rules import slots
from labeling.rules.texts import fault_in

MAX_CHARACTERS = 2000
DRAFT_KEY = "readings"


@dataclass(frozen=True)
class Said:
    """What a labeler says of one response; without words they have to say that they cannot tell."""

    code: UUID
    text: str = ""
    cannot_tell: bool = False


def asks(batch: Batch) -> bool:
    """Return whether labelers of a batch read the responses before they see the prompt."""
    return bool(batch.settings.get("reads_first"))


def are_awaited(assignment: Assignment) -> bool:
    """Return whether the prompt is still to be kept from this slot's labeler.

    Only a slot whose batch asks for readings costs a query.
    """
    return asks(assignment.batch) and not Reading.objects.filter(assignment=assignment).exists()


def readings_of(assignment: Assignment) -> dict[UUID, Reading]:
    """Return the readings of a slot by the response's code; none, without a query, where nobody asks."""
    if not asks(assignment.batch):
        return {}
    rows = Reading.objects.filter(assignment=assignment).select_related("response")
    return {row.response.code: row for row in rows}


def readings_in(assignments: Iterable[int | None]) -> dict[tuple[int | None, int], Reading]:
    """Return the readings of several slots by the numbers of slot and response; None stands for no slot."""
    rows = Reading.objects.filter(assignment__in=list(assignments))
    return {(row.assignment_id, row.response_id): row for row in rows}


@transaction.atomic
def store_readings(*, assignment: Assignment, said: Sequence[Said]) -> None:
    """Store what a labeler says of each response, for good; from now on they see the prompt.

    The first to come stand: sent again, or by two at once, nothing is changed and nothing refused. Raises
    InvalidInput naming each response that is missing, doubled, foreign or without a word, AssignmentClosed
    if the slot was skipped or withdrawn.
    """
    locked = slots.locked(assignment)
    if not asks(locked.batch):
        raise InvalidInput("This task shows its prompt at once: it asks for no readings.", code="not_asked")
    if Reading.objects.filter(assignment=locked).exists():
        return
    slots.ensure_unanswered(locked)
    numbers = slots.response_numbers(locked.task)
    _check(said, numbers)
    Reading.objects.bulk_create(
        Reading(
            assignment=locked, response_id=numbers[each.code], text=each.text, cannot_tell=each.cannot_tell
        )
        for each in said
    )
    # The next draft is a ranking's; one of readings still on its way builds on a version that is gone.
    Draft.objects.filter(assignment=locked).update(
        payload={}, version=F("version") + 1, saved_at=timezone.now()
    )
    slots.renew_lease(locked)


def ensure_stored(assignment: Assignment) -> None:
    """Raise Conflict while the prompt is kept from this slot's labeler."""
    if are_awaited(assignment):
        raise Conflict(
            "First say what each response seems to say; then the prompt is shown, and the ranking follows.",
            code="readings_first",
        )


def check_draft(assignment: Assignment, payload: Mapping[str, Any]) -> None:
    """Raise Conflict for a draft of a ranking before the readings, or of readings after them."""
    if not asks(assignment.batch):
        return
    if set(payload) - {DRAFT_KEY}:
        ensure_stored(assignment)
    elif DRAFT_KEY in payload and not are_awaited(assignment):
        raise Conflict("The readings were stored already, and stand.", code="readings_stored")


def _check(said: Sequence[Said], wanted: Mapping[UUID, int]) -> None:
    given = Counter(each.code for each in said)
    faults = {str(code): "is missing" for code in sorted(wanted.keys() - given.keys())}
    faults |= {str(code): "is not one of this task's responses" for code in given.keys() - wanted.keys()}
    faults |= {str(code): f"stands {n} times" for code, n in given.items() if n > 1 and code in wanted}
    for each in said:
        fault = _fault_in(each)
        if fault:
            faults.setdefault(str(each.code), fault)
    if faults:
        sentence = "; ".join(f"{code} {fault}" for code, fault in faults.items())
        raise InvalidInput(
            f"Each of the {len(wanted)} responses is read once: {sentence}.", fields={"readings": faults}
        )


def _fault_in(each: Said) -> str:
    if not each.text.strip() and not each.cannot_tell:
        return "has no words; say what it seems to say, or that you cannot tell"
    if len(each.text) > MAX_CHARACTERS:
        return f"has {len(each.text)} characters, at most {MAX_CHARACTERS} are allowed"
    return fault_in(each.text)
