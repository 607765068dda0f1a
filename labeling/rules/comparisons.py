"""Comparisons: ratings, flags and an order with ties over the K responses of a task."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.db import transaction

from labeling.errors import IncompleteRanking, InvalidInput
from labeling.models import (
    LIKERT_MAX,
    LIKERT_MIN,
    MAX_K,
    Assignment,
    Labeler,
    Place,
    Ranking,
    Receipt,
    Response,
    Task,
    TaskKind,
)
from labeling.rules import guidelines, submissions
from labeling.rules.texts import check_text, fault_in

MAX_NOTE_CHARACTERS = 10_000


@dataclass(frozen=True)
class Judgement:
    """What a labeler says about one response: rank 1 is best, equal ranks are ties, gaps are allowed.

    A flag that is absent was not answered, which is not the same as no.
    """

    code: UUID
    rank: int
    likert: int | None = None
    flags: Mapping[str, bool] = field(default_factory=dict)
    note: str = ""

    def as_payload(self) -> dict[str, Any]:
        """Return the judgement as drafts and requests carry it."""
        return {
            "code": str(self.code),
            "rank": self.rank,
            "likert": self.likert,
            "flags": dict(self.flags),
            "note": self.note,
        }


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
            _store(
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
    _check_judgements(task, judgements, needs_likert=False, max_rank=MAX_K)
    return _store(task=task, labeler=labeler, judgements=judgements, notes=notes)


def _store(*, task: Task, labeler: Labeler, judgements: Sequence[Judgement], **fields: Any) -> Ranking:
    responses = {candidate.response.code: candidate.response for candidate in _candidates(task)}
    ranking = Ranking.objects.create(task=task, labeler=labeler, **fields)
    Place.objects.bulk_create(
        Place(
            ranking=ranking,
            response=responses[judgement.code],
            rank=judgement.rank,
            likert=judgement.likert,
            flags=dict(judgement.flags),
            note=judgement.note,
        )
        for judgement in judgements
    )
    return ranking


def _candidates(task: Task) -> Any:
    return task.candidates.select_related("response").only("position", "task_id", "response__code")


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
    _check_judgements(slot.task, judgements, needs_likert=True, max_rank=slot.task.candidates.count())
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


def _check_judgements(
    task: Task, judgements: Sequence[Judgement], *, needs_likert: bool, max_rank: int
) -> None:
    wanted = {candidate.response.code for candidate in _candidates(task)}
    given = Counter(judgement.code for judgement in judgements)
    faults: dict[str, str] = {str(code): "is missing" for code in sorted(wanted - given.keys())}
    faults |= {str(code): "is not one of this task's responses" for code in given.keys() - wanted}
    faults |= {str(code): f"stands {n} times" for code, n in given.items() if n > 1 and code in wanted}
    for judgement in judgements:
        fault = _fault_in(judgement, needs_likert, max_rank)
        if fault:
            faults.setdefault(str(judgement.code), fault)
    if faults:
        sentence = "; ".join(f"{code} {fault}" for code, fault in faults.items())
        raise IncompleteRanking(
            f"A ranking places each of the {len(wanted)} responses once: {sentence}.",
            fields={"responses": faults},
        )


def _fault_in(judgement: Judgement, needs_likert: bool, max_rank: int) -> str:
    if not _is_whole(judgement.rank) or not 1 <= judgement.rank <= max_rank:
        return f"has rank {judgement.rank}, must be 1 to {max_rank}"
    if judgement.likert is None:
        if needs_likert:
            return f"has no rating, {LIKERT_MIN} to {LIKERT_MAX} is needed"
    elif not _is_whole(judgement.likert) or not LIKERT_MIN <= judgement.likert <= LIKERT_MAX:
        return f"has rating {judgement.likert}, must be {LIKERT_MIN} to {LIKERT_MAX}"
    if any(not isinstance(answer, bool) for answer in judgement.flags.values()):
        return "has a flag that is neither true nor false"
    note_fault = fault_in(judgement.note)
    if note_fault or len(judgement.note) > MAX_NOTE_CHARACTERS:
        return f"has a note that {note_fault or f'is longer than {MAX_NOTE_CHARACTERS} characters'}"
    return ""


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def responses_in_display_order(assignment: Assignment) -> list[Response]:
    """Return the responses as this labeler sees them; nothing here says who wrote which."""
    by_code = {
        str(candidate.response.code): candidate.response for candidate in assignment.task.candidates.all()
    }
    return [by_code[code] for code in assignment.display_order if code in by_code]
