"""Reviews of labels: graded, accepted, fixed, returned or left out of training, with a reason people read.

Only ever added: the newest review of a label counts, and taking one back is another one. Whoever reviews does
not learn who wrote the label; whoever wrote it learns the decision and the reason, not who reviewed.
"""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import (
    LIKERT_MAX,
    LIKERT_MIN,
    Assignment,
    Batch,
    Demonstration,
    Ranking,
    Review,
    User,
)
from labeling.rules import audit, policies, revisions, slots
from labeling.rules.access import Action, ensure
from labeling.rules.texts import check_text

MAX_COMMENT_CHARACTERS = 4000
Decision = Review.Decision
WAITING, SETTLED = "waiting", (Decision.ACCEPTED, Decision.FIXED)
QUEUES = {
    WAITING: "Waiting",
    "accepted": "Accepted",
    Decision.RETURNED.value: "Returned",
    Decision.EXCLUDED.value: "Left out",
    "all": "All",
}
NEEDS_REASON = (Decision.RETURNED, Decision.EXCLUDED)


@dataclass(frozen=True)
class ReviewState:
    """What the labeler of an assignment reads about its review. Who reviewed is not among it."""

    decision: str
    label: str
    grade: int | None
    comment: str
    at: datetime

    @property
    def is_returned(self) -> bool:
        return self.decision == Decision.RETURNED


def review_of(assignment: Assignment) -> ReviewState | None:
    """Return what was decided about the label of an assignment; None while nobody has, or it waits again.

    A revision that the labeler handed in after a return waits for a review of its own.
    """
    reviews = Review.objects.filter(
        Q(demonstration__assignment=assignment, demonstration__superseded_by=None)
        | Q(ranking__assignment=assignment, ranking__superseded_by=None)
    )
    newest = reviews.order_by("-pk").first()
    if newest is None or newest.decision == Decision.REOPENED:
        return None
    return ReviewState(
        newest.decision, newest.get_decision_display(), newest.grade, newest.comment, newest.created_at
    )


def demonstrations_in(queue: str, *, batch: Batch | None = None, words: str = "") -> QuerySet[Demonstration]:
    """Return the demonstrations of a queue in their newest revision, with `decision` and `grade`.

    Surplus ones are left out: they are kept, but nobody asked for them.
    """
    newest = Review.objects.filter(demonstration=OuterRef("pk")).order_by("-pk")
    rows = (
        Demonstration.objects.newest()
        .filter(is_surplus=False)
        .select_related("prompt", "assignment__batch")
        .annotate(
            decision=Subquery(newest.values("decision")[:1]), grade=Subquery(newest.values("grade")[:1])
        )
    )
    if queue == WAITING:
        rows = rows.filter(Q(decision=None) | Q(decision=Decision.REOPENED), assignment__isnull=False)
    elif queue == "accepted":
        rows = rows.filter(decision__in=SETTLED)
    elif queue in QUEUES and queue != "all":
        rows = rows.filter(decision=queue)
    if batch is not None:
        rows = rows.filter(assignment__batch=batch)
    if words:
        rows = rows.filter(Q(text__icontains=words) | Q(prompt__text__icontains=words))
    return rows


def next_waiting(after: Demonstration | None = None) -> Demonstration | None:
    """Return the oldest demonstration that waits, of those after one if there are any."""
    waiting = demonstrations_in(WAITING).order_by("pk")
    if after is None:
        return waiting.first()
    return waiting.filter(pk__gt=after.pk).first() or waiting.exclude(pk=after.pk).first()


@transaction.atomic
def review_demonstration(
    *, demonstration: Demonstration, decision: str, by: User, grade: int | None = None, comment: str = ""
) -> Review:
    """Decide about a demonstration. Returning it reopens the assignment for its labeler.

    Raises InvalidInput for a grade outside 1 to 7, an unknown decision, or a return or exclusion without a
    reason; Conflict where a newer revision exists, it is returned already, or nobody is there to return it
    to.
    """
    ensure(by, Action.REVIEW)
    comment = _check(decision, grade, comment)
    row, slot = _newest(demonstration)
    if decision == Decision.RETURNED:
        _return_to_labeler(row, slot)
    return _add(row, decision, grade, comment, by)


@transaction.atomic
def fix_demonstration(
    *, demonstration: Demonstration, text: str, by: User, grade: int | None = None, comment: str = ""
) -> Review:
    """Accept a demonstration with changes: the reviewer's text is a new revision, the labeler's stays below.

    Raises InvalidInput for an empty or unchanged text, Conflict while its labeler works at a revision, else
    as for a review.
    """
    ensure(by, Action.REVIEW)
    comment = _check(Decision.FIXED, grade, comment)
    text = check_text(text, field="text")
    row, slot = _newest(demonstration)
    if not text.strip():
        raise InvalidInput("The response is empty; leave it out instead.", fields={"text": "is empty"})
    if text == row.text:
        raise InvalidInput("Nothing was changed; accept it as it is.", fields={"text": "unchanged"})
    _end_revision(slot)
    fixed = Demonstration.objects.create(
        prompt=row.prompt,
        labeler=row.labeler,
        assignment=row.assignment,
        response=policies.add_response(prompt=row.prompt, policy=policies.people_policy(), text=text),
        text=text,
        guideline=row.guideline,
        form=row.form,
        revision=row.revision + 1,
        supersedes=row,
        seconds=row.seconds,
        typing=row.typing,
        fixed_by=by,
    )
    return _add(fixed, Decision.FIXED, grade, comment, by)


@transaction.atomic
def review_ranking(*, ranking: Ranking, decision: str, by: User, comment: str = "") -> Review:
    """Keep a ranking out of training with a reason, or take that back. Raises InvalidInput, Conflict."""
    ensure(by, Action.REVIEW)
    comment = _check(decision, None, comment)
    if decision not in (Decision.EXCLUDED, Decision.REOPENED, Decision.ACCEPTED):
        raise InvalidInput(
            "A ranking is accepted, left out of training, or waits.", fields={"decision": "unfit"}
        )
    locked = Ranking.objects.select_for_update(of=("self",)).get(pk=ranking.pk)
    if Ranking.objects.filter(supersedes=locked).exists():
        raise Conflict("The labeler handed in a newer revision meanwhile; look at that one.")
    newest = locked.reviews.newest().first()
    review = Review.objects.create(
        ranking=locked, decision=decision, comment=comment, by=by, supersedes=newest
    )
    audit.record(actor=by, action="review_ranking", obj=locked, decision=decision, reason=comment)
    return review


@transaction.atomic
def undo_review(*, review: Review, by: User) -> Review:
    """Take a review back: its label waits again. A fixed text stays as a revision and waits.

    Raises Conflict if another review stands above it, or the labeler has answered or is about to.
    """
    ensure(by, Action.REVIEW)
    if review.ranking is not None:
        Ranking.objects.select_for_update(of=("self",)).get(pk=review.ranking.pk)
        _ensure_newest(review)
        return review_ranking(ranking=review.ranking, decision=Decision.REOPENED, by=by)
    assert review.demonstration is not None  # a review is of one label: a database constraint
    row, slot = _newest(review.demonstration)
    _ensure_newest(review)
    if review.decision == Decision.RETURNED:
        _end_revision(slot)
    return _add(row, Decision.REOPENED, None, "", by)


def is_kept_out(label: str) -> Exists:
    """Return the condition that the newest review keeps a row out; `label` is the noun of the row."""
    return Exists(Review.objects.newest().keeping_out().filter(**{label: OuterRef("pk")}))


def _newest(demonstration: Demonstration) -> tuple[Demonstration, Assignment | None]:
    """Lock a demonstration and the slot it came from, the slot first as who submits does."""
    assignment = demonstration.assignment
    slot = slots.locked(assignment) if assignment is not None else None
    row = (
        Demonstration.objects.select_for_update(of=("self",))
        .select_related("prompt", "assignment__batch", "labeler")
        .get(pk=demonstration.pk)
    )
    if Demonstration.objects.filter(supersedes=row).exists():
        raise Conflict("A newer revision was handed in meanwhile; look at that one.", code="newer_revision")
    return row, slot


def _ensure_newest(review: Review) -> None:
    if Review.objects.filter(supersedes=review).exists():
        raise Conflict("Somebody decided anew since; look again.", code="not_the_newest")


def _return_to_labeler(row: Demonstration, slot: Assignment | None) -> None:
    if slot is None:
        raise Conflict("This demonstration was imported; there is nobody to return it to.", code="imported")
    if row.fixed_by_id is not None:
        raise Conflict("A reviewer wrote this revision; it cannot go back to the labeler.", code="fixed")
    if slot.state != Assignment.State.SUBMITTED:
        raise Conflict("Its labeler has the task in hand already.", code="in_hand")
    if slot.reopened_at is None:
        slot.reopened_at = timezone.now()
        slot.save(update_fields=["reopened_at"])
        receipt = slots.latest_receipt(slot)
        revisions.put_into_draft(slot, receipt.content if receipt else {"text": row.text})
    elif row.reviews.newest().filter(decision=Decision.RETURNED).exists():
        raise Conflict(
            "It was returned before, and its labeler has it in hand. Wait for the revision, or take the "
            "return back while none is begun.",
            code="already_returned",
        )


def _end_revision(slot: Assignment | None) -> None:
    """Take a slot out of its labeler's hand again. Raises Conflict where they have begun to revise."""
    if slot is not None and slot.reopened_at is not None:
        revisions.ensure_not_begun(slot)
        slot.reopened_at = None
        slot.save(update_fields=["reopened_at"])


def _check(decision: str, grade: int | None, comment: str) -> str:
    faults: dict[str, str] = {}
    if decision not in Decision.values:
        faults["decision"] = f"must be one of {', '.join(Decision.values)}"
    if grade is not None and not LIKERT_MIN <= grade <= LIKERT_MAX:
        faults["grade"] = f"is {grade}, must be {LIKERT_MIN} to {LIKERT_MAX}"
    comment = check_text(comment, field="comment").strip()
    if len(comment) > MAX_COMMENT_CHARACTERS:
        faults["comment"] = f"has {len(comment)} characters, at most {MAX_COMMENT_CHARACTERS} are allowed"
    if decision in NEEDS_REASON and not comment:
        faults["comment"] = "is empty: the labeler must learn why"
    if faults:
        sentence = "; ".join(f"{field} {fault}" for field, fault in faults.items())
        raise InvalidInput(f"This review cannot be recorded: {sentence}.", fields=faults)
    return comment


def _add(row: Demonstration, decision: str, grade: int | None, comment: str, by: User) -> Review:
    newest = row.reviews.newest().first()
    review = Review.objects.create(
        demonstration=row, decision=decision, grade=grade, comment=comment, by=by, supersedes=newest
    )
    audit.record(
        actor=by, action="review_demonstration", obj=row, decision=decision, grade=grade, reason=comment
    )
    return review
