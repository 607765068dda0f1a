"""Taking a screening, grading its delicate answers, and deciding; anonymous to those who judge."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from random import Random
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotFound, NotPermitted
from labeling.models import (
    GRADE_MAX,
    GRADE_MIN,
    Cohort,
    Labeler,
    ScreeningAnswer,
    ScreeningAttempt,
    ScreeningDecision,
    ScreeningGrade,
    ScreeningItem,
    ScreeningTest,
    TaskKind,
    Terms,
    User,
)
from labeling.rules import audit, labelers, work_time
from labeling.rules.access import Action, ensure
from labeling.rules.screening_scores import Scores, scores_of
from labeling.rules.screening_tests import check_ranks
from labeling.rules.texts import check_text

Part, Use, State = ScreeningItem.Part, ScreeningItem.Use, ScreeningAttempt.State
Outcome = ScreeningDecision.Outcome


@dataclass(frozen=True)
class Step:
    """One item as the labeler meets it, with what they answered so far."""

    item: ScreeningItem
    answer: ScreeningAnswer | None

    @property
    def is_done(self) -> bool:
        return self.answer is not None and self.answer.is_complete

    @property
    def is_checked(self) -> bool:
        """True for a training item whose feedback was shown: it is closed."""
        return self.answer is not None and self.answer.checked_at is not None


def begin_screening(*, labeler: Labeler) -> ScreeningAttempt:
    """Return the labeler's attempt at the screening; the first call starts it on the current test.

    Raises NotFound for somebody who is not in screening or while no test is published, NotPermitted for
    somebody who has not accepted the terms.
    """
    own = labeler.screenings.select_related("test").first()
    if own is not None and (own.state != State.REJECTED or labeler.status != Labeler.Status.SCREENING):
        return own
    if labeler.status != Labeler.Status.SCREENING or labeler.cohort == Cohort.HELD_OUT:
        raise NotFound("You are not in screening.", code="not_in_screening")
    pending = Terms.objects.pending_for(labeler.user)
    if pending is not None:
        raise NotPermitted(
            f"Read and accept the terms, version {pending.version}, first.", code="terms_not_accepted"
        )
    test = ScreeningTest.objects.current()
    if test is None:
        raise NotFound("No screening is published yet. You will find it here as soon as it is.")
    if own is not None and own.test_id == test.pk:
        return own
    attempt, _ = ScreeningAttempt.objects.get_or_create(test=test, labeler=labeler)
    return attempt


def steps(attempt: ScreeningAttempt) -> list[Step]:
    """Return the items of an attempt in the order in which this labeler meets them.

    Parts follow each other, training before what counts, items in an order of this attempt's own; items
    asked for later come last in their part.
    """
    uses = [Use.TRAINING, Use.COUNTED, *([Use.RESERVE] if attempt.has_reserve else [])]
    items = list(attempt.test.items.filter(use__in=uses))
    Random(attempt.code.int).shuffle(items)
    items.sort(key=lambda item: (Part.values.index(item.part), uses.index(Use(item.use))))
    answers = {answer.item_id: answer for answer in attempt.answers.all()}
    return [Step(item, answers.get(item.pk)) for item in items]


def shown_responses(attempt: ScreeningAttempt, item: ScreeningItem) -> list[tuple[int, str]]:
    """Return the responses of a ranking item with their positions, shuffled for this attempt."""
    shown = list(enumerate(item.responses))
    Random(attempt.code.int ^ item.code.int).shuffle(shown)
    return shown


@transaction.atomic
def save_answer(
    *, attempt: ScreeningAttempt, item: ScreeningItem, content: Mapping[str, Any], is_complete: bool
) -> ScreeningAnswer:
    """Store an answer, or with `is_complete=False` a draft of one; later ones replace it until it is closed.

    A complete answer to a training item closes the item: its feedback has been seen. Raises Conflict for a
    closed item, a submitted attempt or a draft over an answer, InvalidInput for an answer that does not fit.
    """
    locked = ScreeningAttempt.objects.select_for_update().get(pk=attempt.pk)
    if locked.state != State.OPEN:
        raise Conflict("This screening was submitted; its answers stay as they are.", code="screening_closed")
    if item.pk not in {step.item.pk for step in steps(locked)}:
        raise NotFound("There is no such item in your screening.")
    known = locked.answers.filter(item=item).first()
    if known is not None and known.checked_at is not None:
        raise Conflict("You have seen the researchers' answer to this one.", code="item_closed")
    if known is not None and known.is_complete and not is_complete:
        raise Conflict(
            "Not saved: this one is answered. Press “Save and go on” to put this in the answer's place.",
            code="answer_stands",  # a late draft must not undo an answer
        )
    answer = known or ScreeningAnswer(attempt=locked, item=item)
    answer.content = _content(item, content, is_complete)
    answer.is_complete = is_complete
    answer.saved_at = timezone.now()
    if is_complete and item.use == Use.TRAINING:
        answer.checked_at = answer.saved_at
    answer.save()
    return answer


def agrees(item: ScreeningItem, content: Mapping[str, Any]) -> bool | None:
    """Return whether an answer is the researchers': the same flag, or every pair in the same order.

    None where researchers grade what was written instead.
    """
    if item.part == Part.FLAGGING:
        return bool(content["is_sensitive"] == item.reference["is_sensitive"])
    if item.part == Part.RANKING:
        pairs = combinations(zip(content["ranks"], item.reference["ranks"], strict=True), 2)
        return all(_sign(a - b) == _sign(x - y) for (a, x), (b, y) in pairs)
    return None


@transaction.atomic
def count_time(*, attempt: ScreeningAttempt, active_seconds: int) -> None:
    """Add time at work to a screening being taken, as far as it counts (`work_time.countable`)."""
    locked = ScreeningAttempt.objects.select_for_update().get(pk=attempt.pk)
    if locked.state != State.OPEN:
        return
    locked.active_seconds += work_time.countable(
        sent=active_seconds, counted=locked.active_seconds, since=locked.created_at
    )
    locked.last_seen_at = timezone.now()
    locked.save(update_fields=["active_seconds", "last_seen_at"])


@transaction.atomic
def save_coverage(
    *, attempt: ScreeningAttempt, topics: Sequence[str], groups: Sequence[str], note: str = ""
) -> ScreeningAttempt:
    """Store part 4: the topics and groups about which somebody notices sensitive text. None is an answer."""
    locked = ScreeningAttempt.objects.select_for_update().select_related("test").get(pk=attempt.pk)
    if locked.state != State.OPEN:
        raise Conflict("This screening was submitted; its answers stay as they are.", code="screening_closed")
    for name, chosen, offered in (
        ("topics", topics, locked.test.topics),
        ("groups", groups, locked.test.groups),
    ):
        foreign = [choice for choice in chosen if choice not in offered]
        if foreign:
            raise InvalidInput(
                f'"{foreign[0]}" is not among the {name} offered.', fields={name: "not offered"}
            )
    locked.topics, locked.groups = list(topics), list(groups)
    locked.coverage_note, locked.has_coverage = check_text(note, field="note")[:2000], True
    locked.save(update_fields=["topics", "groups", "coverage_note", "has_coverage"])
    return locked


@transaction.atomic
def submit_screening(*, attempt: ScreeningAttempt) -> ScreeningAttempt:
    """Hand the screening in. Raises InvalidInput while something is unanswered, Conflict the second time."""
    locked = ScreeningAttempt.objects.select_for_update().select_related("test").get(pk=attempt.pk)
    if locked.state != State.OPEN:
        raise Conflict("This screening was submitted before.", code="screening_closed")
    missing = sum(not step.is_done for step in steps(locked))
    if missing or not locked.has_coverage:
        what = [f"{missing} item{'s' * (missing != 1)}"] if missing else []
        what += [] if locked.has_coverage else ["part 4"]
        raise InvalidInput(f"Not answered yet: {' and '.join(what)}.", fields={"items": missing})
    locked.state, locked.submitted_at = State.SUBMITTED, timezone.now()
    locked.save(update_fields=["state", "submitted_at"])
    return locked


def answers_to_grade(by: User) -> QuerySet[ScreeningAnswer]:
    """The delicate answers of handed-in screenings that `by` has not graded, in no order of persons."""
    answers = ScreeningAnswer.objects.filter(
        attempt__state=State.SUBMITTED, item__part=Part.DEMONSTRATION, is_complete=True
    ).exclude(item__use=Use.TRAINING)
    return answers.exclude(grades__grader=by).select_related("item").order_by("code")  # codes are random


@transaction.atomic
def grade_answer(*, answer: ScreeningAnswer, by: User, grade: int, note: str = "") -> ScreeningGrade:
    """Grade a delicate answer, 1 to 7; grading again before the decision replaces one's own grade."""
    ensure(by, Action.GRADE_SCREENING)
    if not GRADE_MIN <= grade <= GRADE_MAX:
        raise InvalidInput(f"A grade is {GRADE_MIN} to {GRADE_MAX}.", fields={"grade": "out of range"})
    if answer.item.part != Part.DEMONSTRATION:
        raise InvalidInput(
            "Only the answers to delicate prompts are graded.", fields={"answer": "not graded"}
        )
    attempt = ScreeningAttempt.objects.select_for_update().get(pk=answer.attempt_id)  # no decision meanwhile
    if Labeler.objects.filter(pk=attempt.labeler_id, user=by).exists():
        raise NotPermitted("Nobody grades their own answer.")
    if attempt.state != State.SUBMITTED:
        raise Conflict("This screening is not waiting for a decision.", code="screening_closed")
    stored, _ = ScreeningGrade.objects.update_or_create(
        answer=answer,
        grader=by,
        defaults={"grade": grade, "note": check_text(note, field="note"), "created_at": timezone.now()},
    )
    audit.record(actor=by, action="grade_screening_answer", obj=answer, grade=grade)
    return stored


@transaction.atomic
def decide_screening(
    *, attempt: ScreeningAttempt, by: User, outcome: str, reason: str, kinds: Iterable[str] = ()
) -> ScreeningDecision:
    """Decide about a handed-in screening, on its scores, without knowing whose it is.

    Accepting grants the qualifications `kinds` and makes the labeler active; asking for more opens the
    reserve items; rejecting ends it. A reason is always needed: it is the record where the decision departs
    from the cut-offs. Raises Conflict if it is not waiting, InvalidInput where kinds, reason or reserve lack.
    """
    ensure(by, Action.DECIDE_SCREENING)
    locked = ScreeningAttempt.objects.select_for_update().select_related("test").get(pk=attempt.pk)
    if locked.state != State.SUBMITTED:
        raise Conflict(
            f"This screening is not waiting for a decision: {locked.get_state_display().lower()}.",
            code="screening_closed",
        )
    labeler = Labeler.objects.select_related("user").get(pk=locked.labeler_id)
    if labeler.user_id == by.pk:
        raise NotPermitted("Nobody decides about their own screening.")
    reason, kinds = check_text(reason, field="reason").strip(), sorted(set(kinds))
    if not reason:
        raise InvalidInput("Give the reason; it is the record of the decision.", fields={"reason": "empty"})
    if outcome not in Outcome.values:
        raise InvalidInput(f'"{outcome}" is not a decision.', fields={"outcome": "unknown"})
    scores = scores_of(locked)
    decision = ScreeningDecision.objects.create(
        attempt=locked,
        outcome=outcome,
        reason=reason,
        kinds=kinds if outcome == Outcome.ACCEPT else [],
        scores=scores.as_json(),
        departs=departs(scores, outcome),
        decided_by=by,
    )
    if outcome == Outcome.MORE:
        _open_reserve(locked)
    else:
        _settle(locked, labeler, outcome, kinds, by)
    audit.record(
        actor=by,
        action="decide_screening",
        obj=locked,
        outcome=outcome,
        departs=decision.departs,
        kinds=kinds,
    )
    return decision


def departs(scores: Scores, outcome: str) -> bool:
    """Return whether a decision goes against the cut-offs, or was taken before every part had a score."""
    return outcome != Outcome.MORE and scores.passes is not (outcome == Outcome.ACCEPT)


def _open_reserve(attempt: ScreeningAttempt) -> None:
    if attempt.has_reserve or not attempt.test.items.filter(use=Use.RESERVE).exists():
        raise InvalidInput(
            "There are no reserve items left to ask. Accept or reject, or publish a version with more.",
            fields={"outcome": "no reserve items"},
        )
    attempt.has_reserve, attempt.state, attempt.submitted_at = True, State.OPEN, None
    attempt.save(update_fields=["has_reserve", "state", "submitted_at"])


def _settle(
    attempt: ScreeningAttempt, labeler: Labeler, outcome: str, kinds: Sequence[str], by: User
) -> None:
    if outcome == Outcome.ACCEPT:
        if not kinds:
            raise InvalidInput("Choose what the labeler is qualified for.", fields={"kinds": "none"})
        unknown = [kind for kind in kinds if kind not in TaskKind.values]
        if unknown:
            raise InvalidInput(f'"{unknown[0]}" is not a kind of task.', fields={"kinds": "unknown"})
        for kind in kinds:
            labelers.add_qualification(labeler=labeler, kind=kind, by=by)
        Labeler.objects.filter(pk=labeler.pk, status=Labeler.Status.SCREENING).update(
            status=Labeler.Status.ACTIVE
        )
    attempt.state = State.ACCEPTED if outcome == Outcome.ACCEPT else State.REJECTED
    attempt.save(update_fields=["state"])


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)


def _content(item: ScreeningItem, content: Mapping[str, Any], is_complete: bool) -> dict[str, Any]:
    if item.part == Part.FLAGGING:
        choice = content.get("is_sensitive")
        if is_complete and not isinstance(choice, bool):
            raise InvalidInput("Say yes or no.", fields={"is_sensitive": "missing"})
        return {"is_sensitive": choice} if isinstance(choice, bool) else {}
    if item.part == Part.RANKING:
        ranks = content.get("ranks")
        k = len(item.responses)
        if is_complete:
            return {"ranks": check_ranks(ranks, k)}
        known = ranks if isinstance(ranks, list) and len(ranks) == k else []
        return {"ranks": [rank if isinstance(rank, int) and 1 <= rank <= k else None for rank in known]}
    text = check_text(content.get("text", ""), field="text")
    if is_complete and not text.strip():
        raise InvalidInput("The answer is empty.", fields={"text": "empty"})
    return {"text": text}
