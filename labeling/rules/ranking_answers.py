"""What a labeler submits of a ranked task: checked, and recorded with its receipt.

Nearly always a slot is in hand and answered for the first time. Then nothing is locked: one statement marks
the slot as submitted if it is still as it was read, and stores ranking, places and receipt only with that.
All else (a repeat, late work, a revision, two at once) goes by under a lock.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from labeling.errors import InvalidInput
from labeling.models import Assignment, Place, Ranking, Receipt, TaskKind
from labeling.rules import forms, prompt_judgements, readings, slots, submissions
from labeling.rules.judgements import (
    MAX_NOTE_CHARACTERS,
    Judgement,
    check_judgements,
    places_of,
    store_ranking,
)
from labeling.rules.prompt_judgements import NOTHING_SAID, AboutPrompt
from labeling.rules.submissions import Submission
from labeling.rules.texts import check_text
from labeling.statements import change, insert, insertion_from, mark_as_stored, rows_of, values_of

# Written so that no index of leased slots fits: the row is found by its number.
STILL_IN_HAND = """
    UPDATE labeling_assignment SET state = 'submitted', finished_at = %s
    WHERE id = %s AND state || '' = 'leased'
        AND NOT EXISTS (SELECT 1 FROM labeling_receipt WHERE assignment_id = %s)
        AND NOT EXISTS (SELECT 1 FROM labeling_receipt WHERE labeler_id = %s AND idempotency_key = %s)"""
PLACES = """
    INSERT INTO labeling_place (ranking_id, response_id, rank, likert, flags, scores, note)
    SELECT ranking.id, given.* FROM ranking, jsonb_to_recordset(%s::jsonb) AS given
        (response_id bigint, rank smallint, likert smallint, flags jsonb, scores jsonb, note text)"""


@dataclass(frozen=True)
class RankingAnswer:
    """All that a labeler sends: judgements, notes, how the order came to be, what the prompt is like."""

    judgements: Sequence[Judgement]
    notes: str = ""
    was_touched: bool = True
    moves: int = 0
    start: str = ""
    about: AboutPrompt = NOTHING_SAID

    def as_payload(self) -> dict[str, Any]:
        """Return the answer as drafts and receipts carry it."""
        return {
            "responses": [judgement.as_payload() for judgement in self.judgements],
            "notes": self.notes,
            "was_touched": self.was_touched,
            "moves": self.moves,
            "start": self.start,
            "about_prompt": self.about.as_payload(),
        }


def record_first(*, assignment: Assignment, answer: RankingAnswer, idempotency_key: str) -> Receipt | None:
    """Record the first answer of a slot that is in hand; None, and nothing done, where it is not that simple.

    Raises InvalidInput for an answer that does not fit.
    """
    submissions.check_key(idempotency_key)
    slot = slots.ready(assignment)
    if slot is None or readings.asks(slot.batch):
        return None
    known: Mapping[str, int] = getattr(slot, "response_numbers", None) or {}
    _check_fields(slot, answer.notes, answer.moves, answer.start)
    numbers = _check_answers(
        slot, answer.judgements, answer.about, {UUID(code): number for code, number in known.items()}
    )
    with nullcontext() if answer.about.is_empty else transaction.atomic():
        receipt = _store_first(Submission(slot, idempotency_key), answer, numbers)
        if receipt is not None:
            _store_about(receipt, slot, answer)
        return receipt


@transaction.atomic
def record(*, assignment: Assignment, answer: RankingAnswer, idempotency_key: str) -> Receipt:
    """Record an answer under a lock; a repeated key finds its receipt. Raises as `submit_ranking` does."""
    content = answer.as_payload()
    submission = submissions.start_submission(
        assignment=assignment, idempotency_key=idempotency_key, content=content
    )
    if submission.receipt is not None:
        return submission.receipt
    slot = submission.assignment
    readings.ensure_stored(slot)
    _check_fields(slot, answer.notes, answer.moves, answer.start)
    numbers = _check_answers(slot, answer.judgements, answer.about)
    is_surplus = submissions.settle_slot(submission)
    assert slot.labeler is not None  # a claimed slot has a labeler: a database constraint
    store_ranking(
        task=slot.task,
        labeler=slot.labeler,
        judgements=answer.judgements,
        numbers=numbers,
        is_surplus=is_surplus,
        **_fields_of(submission, answer),
        **submissions.revision_of(submission, Ranking.objects.all()),
    )
    receipt = submissions.give_receipt(submission, content=content, is_surplus=is_surplus)
    _store_about(receipt, slot, answer)
    return receipt


def _store_first(
    submission: Submission, answer: RankingAnswer, numbers: Mapping[UUID, int]
) -> Receipt | None:
    """Submit the slot and store the answer if the slot is still as it was read; None if it is not."""
    slot = submission.assignment
    assert slot.labeler_id is not None  # a claimed slot has a labeler: a database constraint
    now = timezone.now()
    ranking = Ranking(task_id=slot.task_id, labeler_id=slot.labeler_id, **_fields_of(submission, answer))
    receipt = submissions.new_receipt(submission, content=answer.as_payload(), is_surplus=False)
    places = places_of(answer.judgements, numbers)
    finished_at = connection.ops.adapt_datetimefield_value(now)
    guard = [finished_at, slot.pk, slot.pk, slot.labeler_id, submission.key]
    store = _store_at_once if connection.vendor == "postgresql" else _store_in_turn
    if not store(guard, ranking, places, receipt):
        return None
    slot.state, slot.finished_at = Assignment.State.SUBMITTED, now
    return receipt


def _store_at_once(
    guard: Sequence[Any], ranking: Ranking, places: Sequence[Mapping[str, Any]], receipt: Receipt
) -> bool:
    parameters = [*guard, *values_of(ranking), json.dumps(places), *values_of(receipt)]
    try:
        rows = rows_of(_all_in_one(), parameters)
    except IntegrityError:
        if connection.in_atomic_block:
            raise
        return False  # the same key at this moment on another task: the lock will tell
    if rows:
        receipt.pk, ranking.pk = rows[0]
        mark_as_stored(receipt)
    return bool(rows)


@cache
def _all_in_one() -> str:
    return (
        f"WITH slot AS ({STILL_IN_HAND} RETURNING id),"
        f" ranking AS ({insertion_from(Ranking, 'slot')} RETURNING id),"
        f" places AS ({PLACES})"
        f" {insertion_from(Receipt, 'slot')} RETURNING id, (SELECT id FROM ranking)"
    )


@transaction.atomic
def _store_in_turn(
    guard: Sequence[Any], ranking: Ranking, places: Sequence[Mapping[str, Any]], receipt: Receipt
) -> bool:
    """The same where a statement can change only one table; there one transaction writes at a time."""
    if not change(STILL_IN_HAND, guard):
        return False
    insert(ranking)
    insert(*(Place(ranking=ranking, **place) for place in places))
    insert(receipt)
    return True


def _fields_of(submission: Submission, answer: RankingAnswer) -> dict[str, Any]:
    slot = submission.assignment
    return {
        "assignment": slot,
        "guideline_id": slot.batch.guideline_id,
        "form_id": slot.batch.form_id,
        "shown_order": slot.display_order,
        "start": answer.start,
        "was_touched": answer.was_touched,
        "moves": answer.moves,
        "notes": answer.notes,
        "seconds": submission.seconds,
    }


def _store_about(receipt: Receipt, slot: Assignment, answer: RankingAnswer) -> None:
    if answer.about.is_empty:
        return
    assert slot.labeler is not None  # a claimed slot has a labeler: a database constraint
    prompt_judgements.store_about(
        receipt=receipt,
        prompt=slot.task.given_prompt,
        labeler=slot.labeler,
        form=slot.batch.form,
        about=answer.about,
    )


def _check_fields(slot: Assignment, notes: str, moves: int, start: str) -> None:
    if not TaskKind(slot.kind).is_ranked:
        raise InvalidInput(f"This is a {slot.kind} task: it wants a text, not a ranking.")
    check_text(notes, field="notes")
    if len(notes) > MAX_NOTE_CHARACTERS:
        raise InvalidInput(
            f"notes has more than {MAX_NOTE_CHARACTERS} characters.", fields={"notes": "too long"}
        )
    if not 0 <= moves <= 1_000_000:
        raise InvalidInput(f"moves is {moves}, must be 0 to 1000000.", fields={"moves": "out of range"})
    if start not in Ranking.Start.values:
        raise InvalidInput(
            f'start is "{start}", must be empty, shuffled or ratings.', fields={"start": "unknown"}
        )


def _check_answers(
    slot: Assignment,
    judgements: Sequence[Judgement],
    about: AboutPrompt,
    numbers: Mapping[UUID, int] | None = None,
) -> Mapping[UUID, int]:
    form = slot.batch.form
    numbers = check_judgements(
        slot.task,
        judgements,
        needs_likert=form is None or bool(forms.likert(form)),
        scales=forms.questions(form, "scales"),
        numbers=numbers,
    )
    prompt_judgements.check_about(form, about)
    asked = {
        flag["key"]
        for flag in forms.asked_flags(form=form, prompt=slot.task.given_prompt, answers=about.flags)
    }
    faults = {
        str(judgement.code): f"flags not asked here: {', '.join(sorted(set(judgement.flags) - asked))}"
        for judgement in judgements
        if set(judgement.flags) - asked
    }
    if faults:
        raise InvalidInput(
            f"A flag was answered that was not asked; asked are {', '.join(sorted(asked)) or 'none'}.",
            fields={"responses": faults},
        )
    return numbers
