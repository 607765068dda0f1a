"""What labelers flag while they work: skips, reports of responses and notes; and what staff answer.

An answer is kept beside what it answers and reaches the labeler's own history, without a name.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Prefetch, Q, QuerySet

from labeling.errors import Conflict, InvalidInput
from labeling.models import Batch, FlagAnswer, Labeler, Place, Ranking, ResponseReport, Skip, User
from labeling.rules import audit, response_reports
from labeling.rules.access import Action, ensure
from labeling.rules.texts import check_text

MAX_ANSWER_CHARACTERS = 2000
NO_ACTION = "Seen; nothing needs to be done."
SOURCES = {"skips": "Skips", "reports": "Reported responses", "notes": "Notes"}
FLAGGING = (Skip.Reason.BROKEN, Skip.Reason.HARMFUL, Skip.Reason.UNCLEAR)
Outcome = FlagAnswer.Outcome


@dataclass(frozen=True)
class Answered:
    """An answer as its labeler reads it, to what they had flagged and when."""

    about: str
    note: str
    answer: str
    at: datetime


def skips_to_answer(*, is_open: bool = True, batch: Batch | None = None) -> QuerySet[Skip]:
    """Return skips that say something about the task (broken, harmful, unclear), newest first."""
    rows = (
        Skip.objects.filter(reason__in=FLAGGING, answer__isnull=is_open)
        .select_related("assignment__task__prompt", "assignment__batch", "answer__by")
        .order_by("-pk")
    )
    return rows.filter(assignment__batch=batch) if batch is not None else rows


def reports_to_answer(*, is_open: bool = True, batch: Batch | None = None) -> QuerySet[ResponseReport]:
    """Return reports of single responses, newest first."""
    return response_reports.list_reports(batch=batch, is_open=is_open).order_by("-pk")


def notes_to_answer(*, is_open: bool = True, batch: Batch | None = None) -> QuerySet[Ranking]:
    """Return rankings whose labeler left a note, on the whole or on a response, newest first."""
    noted = Place.objects.filter(ranking=OuterRef("pk")).exclude(note="")
    rows = (
        Ranking.objects.newest()
        .filter(Exists(noted) | ~Q(notes=""), assignment__isnull=False, answer__isnull=is_open)
        .select_related("task__prompt", "task__batch", "answer__by")
        .prefetch_related(Prefetch("places", queryset=Place.objects.select_related("response")))
        .order_by("-pk")
    )
    return rows.filter(task__batch=batch) if batch is not None else rows


def count_open() -> dict[str, int]:
    """Return how many flags of each source nobody has answered."""
    return {
        "skips": skips_to_answer().count(),
        "reports": ResponseReport.objects.open().count(),
        "notes": notes_to_answer().count(),
    }


def answer_skip(*, skip: Skip, by: User, text: str = "", outcome: str = Outcome.ANSWERED) -> FlagAnswer:
    """Answer a skip, or say that nothing needs to be done. Raises Conflict if it was answered already."""
    return _answer(by, text, outcome, skip=skip)


def answer_note(*, ranking: Ranking, by: User, text: str = "", outcome: str = Outcome.ANSWERED) -> FlagAnswer:
    """Answer the notes of a ranking. Raises as for a skip."""
    return _answer(by, text, outcome, ranking=ranking)


@transaction.atomic
def answer_report(
    *, report: ResponseReport, by: User, text: str = "", outcome: str = Outcome.ANSWERED
) -> ResponseReport:
    """Answer a report of a response. Raises as for a skip."""
    ensure(by, Action.REVIEW)
    text = _check(text, outcome)
    return response_reports.answer_report(report=report, answer=text or NO_ACTION, by=by)


def answers_for(labeler: Labeler, *, most: int = 20) -> Sequence[Answered]:
    """Return the answers to what a labeler flagged, newest first, for their own history."""
    skips = FlagAnswer.objects.filter(skip__assignment__labeler=labeler).select_related("skip")
    notes = FlagAnswer.objects.filter(ranking__labeler=labeler).select_related("ranking")
    reports = ResponseReport.objects.filter(labeler=labeler, answered_at__isnull=False)
    found = [
        *(
            Answered(row.skip.get_reason_display(), row.skip.note, row.text or NO_ACTION, row.created_at)
            for row in skips[:most]
            if row.skip is not None
        ),
        *(
            Answered("Your note", row.ranking.notes, row.text or NO_ACTION, row.created_at)
            for row in notes[:most]
            if row.ranking is not None
        ),
        *(
            Answered(row.get_reason_display(), row.note, row.answer, row.answered_at)
            for row in reports.order_by("-answered_at")[:most]
            if row.answered_at is not None
        ),
    ]
    return sorted(found, key=lambda answered: answered.at, reverse=True)[:most]


def _answer(
    by: User, text: str, outcome: str, *, skip: Skip | None = None, ranking: Ranking | None = None
) -> FlagAnswer:
    ensure(by, Action.REVIEW)
    text = _check(text, outcome)
    try:
        with transaction.atomic():
            answer = FlagAnswer.objects.create(skip=skip, ranking=ranking, outcome=outcome, text=text, by=by)
            obj = skip.assignment if skip is not None else ranking
            assert obj is not None  # a flag has a source
            audit.record(actor=by, action="answer_flag", obj=obj, outcome=outcome, text=text)
    except IntegrityError as error:
        raise Conflict("This was answered a moment ago.", code="already_answered") from error
    return answer


def _check(text: str, outcome: str) -> str:
    if outcome not in Outcome.values:
        raise InvalidInput(f'outcome "{outcome}" is not one of {", ".join(Outcome.values)}.')
    text = check_text(text, field="text").strip()
    if len(text) > MAX_ANSWER_CHARACTERS:
        raise InvalidInput(
            f"An answer has at most {MAX_ANSWER_CHARACTERS} characters, this one has {len(text)}.",
            fields={"text": "too long"},
        )
    if outcome == Outcome.ANSWERED and not text:
        raise InvalidInput(
            "Write an answer, or say that nothing needs to be done.", fields={"text": "is empty"}
        )
    return text
