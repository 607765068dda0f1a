"""Comparisons: ratings, flags and an order with ties over the K responses of a task."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import MAX_K, Assignment, Labeler, Ranking, Receipt, Response, Task
from labeling.rules import ranking_answers, slots, submissions
from labeling.rules.judgements import Judgement, check_judgements, store_ranking
from labeling.rules.prompt_judgements import NOTHING_SAID, AboutPrompt
from labeling.rules.ranking_answers import RankingAnswer
from labeling.rules.ranking_imports import import_rankings
from labeling.rules.texts import check_text

__all__ = [
    "AboutPrompt",
    "Contradiction",
    "Judgement",
    "contradictions",
    "import_rankings",
    "record_ranking",
    "responses_in_display_order",
    "starts_from_ratings",
    "submit_ranking",
]

CONTRADICTION = 2
UNSORTED_FRACTION = 0.2
DRAWS = 1000


@dataclass(frozen=True)
class Contradiction:
    """A response that stands above another although it was rated `gap` points lower."""

    better: UUID
    worse: UUID
    gap: int


def submit_ranking(
    *,
    assignment: Assignment,
    judgements: Sequence[Judgement],
    idempotency_key: str,
    notes: str = "",
    was_touched: bool = True,
    moves: int = 0,
    start: str = "",
    about: AboutPrompt = NOTHING_SAID,
) -> Receipt:
    """Record one labeler's judgement of every response of a task, and answer with a receipt.

    `start` says from which order they set out, `about` what they said about the prompt.
    The same key again gives the same receipt. Raises IncompleteRanking if a response is missing, doubled or
    foreign, or a rank or rating is missing or out of range, naming each (what was sent is kept as the
    draft); AssignmentClosed if it was answered under another key, skipped or withdrawn; Conflict before the
    readings that the batch asks for.
    """
    answer = RankingAnswer(judgements, notes, was_touched, moves, start, about)
    try:
        receipt = ranking_answers.record_first(
            assignment=assignment, answer=answer, idempotency_key=idempotency_key
        )
        if receipt is not None:
            return receipt
        return ranking_answers.record(assignment=assignment, answer=answer, idempotency_key=idempotency_key)
    except InvalidInput as error:
        if error.reason_code != "idempotency_key_reused":
            submissions.keep_as_draft(assignment=assignment, payload=answer.as_payload())
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
    by_code = {str(response.code): response for response in slots.responses_of(assignment)}
    return [by_code[code] for code in assignment.display_order if code in by_code]


def starts_from_ratings(assignment: Assignment) -> bool:
    """Return whether this labeler's ranking starts from the ratings rather than in random order.

    Where a batch starts from the ratings, a random share of the slots does not (`unsorted_fraction`): what
    the start does to the order can then be measured. The draw is the slot's own code, so it never changes.
    """
    settings = assignment.batch.settings
    if not settings.get("presort"):
        return False
    share = float(settings.get("unsorted_fraction", UNSORTED_FRACTION))
    return assignment.code.int % DRAWS >= share * DRAWS


def contradictions(judgements: Iterable[Judgement]) -> list[Contradiction]:
    """Return the pairs whose order stands against ratings that are two or more points apart."""
    rated = [judgement for judgement in judgements if judgement.likert is not None]
    return [
        Contradiction(better.code, worse.code, (worse.likert or 0) - (better.likert or 0))
        for better in rated
        for worse in rated
        if better.rank < worse.rank and (worse.likert or 0) - (better.likert or 0) >= CONTRADICTION
    ]
