"""Comparisons: ratings, flags and an order with ties over the K responses of a task."""

from collections.abc import Sequence

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import MAX_K, Assignment, Labeler, Ranking, Receipt, Response, Task, TaskKind
from labeling.rules import guidelines, submissions
from labeling.rules.judgements import MAX_NOTE_CHARACTERS, Judgement, check_judgements, store_ranking
from labeling.rules.ranking_imports import import_rankings
from labeling.rules.texts import check_text

__all__ = [
    "Judgement",
    "import_rankings",
    "record_ranking",
    "responses_in_display_order",
    "submit_ranking",
]


def submit_ranking(
    *,
    assignment: Assignment,
    judgements: Sequence[Judgement],
    idempotency_key: str,
    notes: str = "",
    was_touched: bool = True,
    moves: int = 0,
) -> Receipt:
    """Record one labeler's judgement of every response of a task, and answer with a receipt.

    The same key again gives the same receipt. Raises IncompleteRanking if a response is missing, doubled or
    foreign, or a rank or rating is missing or out of range, naming each (what was sent is kept as the
    draft); AssignmentClosed if it was answered under another key, skipped or withdrawn.
    """
    content = {
        "responses": [judgement.as_payload() for judgement in judgements],
        "notes": notes,
        "was_touched": was_touched,
        "moves": moves,
    }
    try:
        with transaction.atomic():
            submission = submissions.start_submission(assignment=assignment, idempotency_key=idempotency_key)
            if submission.receipt is not None:
                return submission.receipt
            slot = submission.assignment
            _check_submission(slot, judgements, notes, moves)
            is_surplus = submissions.settle_slot(submission)
            assert slot.labeler is not None  # a claimed slot has a labeler: a database constraint
            store_ranking(
                task=slot.task,
                labeler=slot.labeler,
                judgements=judgements,
                assignment=slot,
                guideline_id=slot.batch.guideline_id,
                form_id=slot.batch.form_id,
                shown_order=slot.display_order,
                was_touched=was_touched,
                moves=moves,
                notes=notes,
                is_surplus=is_surplus,
                seconds=submission.seconds,
            )
            return submissions.give_receipt(submission, content=content, is_surplus=is_surplus)
    except InvalidInput as error:
        if error.reason_code != "idempotency_key_reused":
            submissions.keep_as_draft(assignment=assignment, payload=content)
        raise


@transaction.atomic
def record_ranking(
    *, task: Task, labeler: Labeler, judgements: Sequence[Judgement], notes: str = ""
) -> Ranking:
    """Record a ranking made elsewhere; ratings may be missing. Raises IncompleteRanking."""
    check_text(notes, field="notes")
    check_judgements(task, judgements, needs_likert=False, max_rank=MAX_K)
    return store_ranking(task=task, labeler=labeler, judgements=judgements, notes=notes)


def responses_in_display_order(assignment: Assignment) -> list[Response]:
    """Return the responses as this labeler sees them; nothing here says who wrote which."""
    by_code = {
        str(candidate.response.code): candidate.response for candidate in assignment.task.candidates.all()
    }
    return [by_code[code] for code in assignment.display_order if code in by_code]


def _check_submission(slot: Assignment, judgements: Sequence[Judgement], notes: str, moves: int) -> None:
    if not TaskKind(slot.kind).is_ranked:
        raise InvalidInput(f"This is a {slot.kind} task: it wants a text, not a ranking.")
    check_text(notes, field="notes")
    if len(notes) > MAX_NOTE_CHARACTERS:
        raise InvalidInput(
            f"notes has more than {MAX_NOTE_CHARACTERS} characters.", fields={"notes": "too long"}
        )
    if not 0 <= moves <= 1_000_000:
        raise InvalidInput(f"moves is {moves}, must be 0 to 1000000.", fields={"moves": "out of range"})
    check_judgements(slot.task, judgements, needs_likert=True, max_rank=slot.task.candidates.count())
    form = slot.batch.form
    asked = {flag["key"] for flag in guidelines.asked_flags(form=form, prompt=slot.task.prompt)}
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
