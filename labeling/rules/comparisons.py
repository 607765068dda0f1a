"""Comparisons: ratings, flags and an order with ties over the K responses of a task."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import MAX_K, Assignment, Labeler, Ranking, Receipt, Response, Task, TaskKind
from labeling.rules import forms, prompt_judgements, slots, submissions
from labeling.rules.judgements import MAX_NOTE_CHARACTERS, Judgement, check_judgements, store_ranking
from labeling.rules.prompt_judgements import NOTHING_SAID, AboutPrompt
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
    draft); AssignmentClosed if it was answered under another key, skipped or withdrawn.
    """
    content = {
        "responses": [judgement.as_payload() for judgement in judgements],
        "notes": notes,
        "was_touched": was_touched,
        "moves": moves,
        "start": start,
        "about_prompt": about.as_payload(),
    }
    try:
        with transaction.atomic():
            submission = submissions.start_submission(assignment=assignment, idempotency_key=idempotency_key)
            if submission.receipt is not None:
                return submission.receipt
            slot = submission.assignment
            _check_fields(slot, notes, moves, start)
            numbers = _check_answers(slot, judgements, about)
            is_surplus = submissions.settle_slot(submission)
            assert slot.labeler is not None  # a claimed slot has a labeler: a database constraint
            store_ranking(
                task=slot.task,
                labeler=slot.labeler,
                judgements=judgements,
                numbers=numbers,
                assignment=slot,
                guideline_id=slot.batch.guideline_id,
                form_id=slot.batch.form_id,
                shown_order=slot.display_order,
                start=start,
                was_touched=was_touched,
                moves=moves,
                notes=notes,
                is_surplus=is_surplus,
                seconds=submission.seconds,
                **submissions.revision_of(submission, Ranking.objects.all()),
            )
            receipt = submissions.give_receipt(submission, content=content, is_surplus=is_surplus)
            prompt_judgements.store_about(
                receipt=receipt,
                prompt=slot.task.given_prompt,
                labeler=slot.labeler,
                form=slot.batch.form,
                about=about,
            )
            return receipt
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
    by_code = {str(response.code): response for response in slots.responses_of(assignment.task)}
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
    slot: Assignment, judgements: Sequence[Judgement], about: AboutPrompt
) -> Mapping[UUID, int]:
    form = slot.batch.form
    numbers = check_judgements(
        slot.task,
        judgements,
        needs_likert=form is None or bool(forms.likert(form)),
        scales=forms.questions(form, "scales"),
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
