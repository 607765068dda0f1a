"""What a labeler submitted and what became of it: their own history."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Exists, Max, OuterRef, QuerySet

from labeling.models import Assignment, Labeler, Reading, Receipt, Review, TaskKind
from labeling.rules import readings
from labeling.rules.written_prompts import Pair, read_pairs

WORDS = {
    "": "Recorded",
    Review.Decision.ACCEPTED: "Accepted",
    Review.Decision.FIXED: "Accepted with changes",
    Review.Decision.RETURNED: "Returned to you",
    Review.Decision.EXCLUDED: "Not used for training",
    Review.Decision.REOPENED: "Waiting for review",
}


@dataclass(frozen=True)
class Outcome:
    """A receipt, what a reviewer decided about it, in words, and what they said."""

    receipt: Receipt
    review: str
    comment: str = ""


@dataclass(frozen=True)
class Judged:
    """One response of a ranking as it was submitted: its place, its rating and what was said.

    `reading` is what it seemed to say before the prompt was shown, where that was asked.
    """

    rank: object
    likert: object
    text: str
    flags: list[str]
    note: str
    reading: Reading | None


@dataclass(frozen=True)
class Content:
    """What was submitted, for reading: a text, the pairs of a few-shot prompt, or responses in order."""

    text: str
    pairs: list[Pair]
    responses: list[Judged]
    notes: str


def receipts_of(labeler: Labeler) -> QuerySet[Receipt]:
    """Return a labeler's receipts, newest first, with their tasks."""
    return labeler.receipts.select_related(
        "assignment__task__prompt", "assignment__task__use_case", "assignment__batch", "labeler"
    ).order_by("-created_at", "-pk")


def returned_to(labeler: Labeler) -> QuerySet[Receipt]:
    """Return the receipts of what a review gave back to a labeler, who has not handed it in anew."""
    returned = Review.objects.newest().filter(
        decision=Review.Decision.RETURNED,
        demonstration__assignment=OuterRef("assignment"),
        demonstration__revision=OuterRef("revision"),
    )
    return receipts_of(labeler).filter(Exists(returned), assignment__reopened_at__isnull=False)


def returned_with(assignment: Assignment) -> Outcome | None:
    """Return what a review gave back of an assignment, with its comment; None where it gave nothing back."""
    if assignment.labeler is None or assignment.reopened_at is None:
        return None
    receipt = returned_to(assignment.labeler).filter(assignment=assignment).first()
    return with_reviews([receipt])[0] if receipt is not None else None


def with_reviews(receipts: Iterable[Receipt]) -> list[Outcome]:
    """Return receipts with what became of them, in three queries."""
    rows = list(receipts)
    slots = {receipt.assignment_id for receipt in rows}
    standing = Receipt.objects.filter(assignment__in=slots, withdrawn_at=None).order_by()
    last = dict(standing.values_list("assignment").annotate(Max("revision")))
    newest = Review.objects.newest().order_by("pk")
    decided: dict[tuple[int | None, int], Review] = {}
    for review in newest.filter(demonstration__assignment__in=slots).select_related("demonstration"):
        if review.demonstration is not None:
            row = review.demonstration
            submitted = row.revision - (1 if row.fixed_by_id else 0)  # a fix stands above what was submitted
            decided[row.assignment_id, submitted] = review
    for review in newest.filter(ranking__assignment__in=slots).select_related("ranking"):
        if review.ranking is not None:
            decided[review.ranking.assignment_id, review.ranking.revision] = review
    return [
        _outcome(
            receipt,
            decided.get((receipt.assignment_id, receipt.revision)),
            last.get(receipt.assignment_id, receipt.revision),
        )
        for receipt in rows
    ]


def content_of(receipt: Receipt) -> Content:
    """Return what was submitted; where the prompt's responses are named, with their texts."""
    stored: dict[str, Any] = receipt.content
    texts: dict[str, str] = {}
    read: dict[str, Reading] = {}
    if TaskKind(receipt.assignment.kind).is_ranked:
        candidates = receipt.assignment.task.candidates.select_related("response")
        texts = {str(candidate.response.code): candidate.response.text for candidate in candidates}
        read = {str(code): row for code, row in readings.readings_of(receipt.assignment).items()}
    judged = [
        Judged(
            rank=entry.get("rank"),
            likert=entry.get("likert"),
            text=texts.get(str(entry.get("code")), ""),
            flags=[key.replace("_", " ") for key, answer in (entry.get("flags") or {}).items() if answer],
            note=str(entry.get("note") or ""),
            reading=read.get(str(entry.get("code"))),
        )
        for entry in stored.get("responses", [])
    ]
    return Content(
        text=str(stored.get("text") or ""),
        pairs=read_pairs(stored.get("pairs")),
        responses=sorted(judged, key=lambda each: each.rank if isinstance(each.rank, int) else 99),
        notes=str(stored.get("notes") or ""),
    )


def _outcome(receipt: Receipt, review: Review | None, last_revision: int) -> Outcome:
    comment = review.comment if review is not None else ""
    if receipt.withdrawn_at is not None:
        return Outcome(receipt, "Taken back")
    if receipt.revision < last_revision:
        return Outcome(receipt, f"Replaced by revision {last_revision}", comment)
    if review is None:
        return Outcome(receipt, WORDS[""])
    return Outcome(receipt, WORDS.get(review.decision, review.get_decision_display()), comment)
