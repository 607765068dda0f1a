"""Deleting what a person wrote as prompts: the words go, the rows stay, so that every count still adds up."""

import hashlib
import json
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from labeling.errors import InvalidInput, NotFound
from labeling.models import (
    Adjudication,
    Assignment,
    Demonstration,
    Draft,
    FlagAnswer,
    GoldAnswer,
    Place,
    Prompt,
    Ranking,
    Reading,
    Receipt,
    Response,
    ResponseReport,
    Review,
    Skip,
    User,
    WrittenPrompt,
)
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.texts import check_text

ERASED = "erased"
ROWS_AT_ONCE = 500
MAX_REASON_CHARACTERS = 300


@dataclass(frozen=True)
class Erasure:
    """What was emptied, by kind of row, and the codes of the prompts."""

    prompts: tuple[str, ...]
    responses: int
    labels: int
    withdrawn: int


@transaction.atomic
def erase_author(*, author_key: str, by: User | None, reason: str) -> Erasure:
    """Empty all prompts of an author, and what was written as them, in answer to them or about them.

    Ranks, ratings and receipts stay as rows without words: they count as work done, and no dataset frozen
    later takes them. Open slots on these prompts are withdrawn. Erasing again erases what came in since.
    Raises InvalidInput without a reason, NotFound where this author has no prompt that is not erased.
    """
    if by is not None:
        ensure(by, Action.MANAGE_LABELERS)
    reason = check_text(reason, field="reason").strip()
    if not 1 <= len(reason) <= MAX_REASON_CHARACTERS:
        raise InvalidInput(
            f"Say why, in at most {MAX_REASON_CHARACTERS} characters.", fields={"reason": "length"}
        )
    prompts = list(
        Prompt.objects.select_for_update().filter(author_key=author_key).exclude(held_reason=ERASED)
    )
    if not prompts:
        raise NotFound("This author has no prompts here, or they were erased before.")
    responses = labels = withdrawn = 0
    for start in range(0, len(prompts), ROWS_AT_ONCE):
        chunk = prompts[start : start + ROWS_AT_ONCE]
        responses += _empty_prompts(chunk)
        labels += _empty_labels([prompt.pk for prompt in chunk])
        withdrawn += Assignment.objects.filter(task__prompt__in=chunk, state=Assignment.State.OPEN).update(
            state=Assignment.State.WITHDRAWN, finished_at=timezone.now()
        )
    erasure = Erasure(tuple(str(prompt.code) for prompt in prompts), responses, labels, withdrawn)
    audit.record(
        actor=by, action="erase_prompts", obj=prompts[0], author=author_key, reason=reason,
        prompts=len(prompts), responses=responses, labels=labels,
    )  # fmt: skip
    return erasure


def _empty_prompts(prompts: list[Prompt]) -> int:
    """Empty prompts and their responses. A hash of the words would still tell them, so it goes too."""
    for prompt in prompts:
        prompt.text = prompt.prefix_key = prompt.external_id = ""
        prompt.text_hash = _hash_of_nothing(prompt.code)
        prompt.pii_spans, prompt.tags, prompt.words = [], {}, 0
        prompt.held_reason = ERASED
    changed = ["text", "prefix_key", "external_id", "text_hash", "pii_spans", "tags", "words", "held_reason"]
    Prompt.objects.bulk_update(prompts, changed)
    responses = list(Response.objects.filter(prompt__in=prompts))
    for response in responses:
        response.text, response.text_hash = "", _hash_of_nothing(response.code)
    Response.objects.bulk_update(responses, ["text", "text_hash"], batch_size=ROWS_AT_ONCE)
    return len(responses)


def _empty_labels(prompts: list[int]) -> int:
    on_them = {"assignment__task__prompt__in": prompts}
    Draft.objects.filter(**on_them).update(payload={})
    Receipt.objects.filter(**on_them).update(content={})
    _empty_written_prompts(prompts)
    _empty_remarks(prompts)
    Place.objects.filter(ranking__task__prompt__in=prompts).update(note="")
    Reading.objects.filter(**on_them).update(text="")
    return Demonstration.objects.filter(prompt__in=prompts).update(text="") + Ranking.objects.filter(
        task__prompt__in=prompts
    ).update(notes="")


def _empty_written_prompts(prompts: list[int]) -> None:
    """Empty what labelers wrote as these prompts. The task had no prompt, so only the label leads to it."""
    written = list(
        WrittenPrompt.objects.filter(prompts__in=prompts).values_list("pk", "assignment").distinct()
    )
    slots = {slot for _, slot in written}
    WrittenPrompt.objects.filter(pk__in=[pk for pk, _ in written]).update(text="", pairs=[], typing={})
    Draft.objects.filter(assignment__in=slots).update(payload={})
    receipts = list(Receipt.objects.filter(assignment__in=slots))
    for receipt in receipts:
        receipt.content, receipt.content_hash = {}, _hash_of_nothing(receipt.code)
        receipt.idempotency_key = f"{ERASED}-{receipt.code}"  # it may be made of the words
    Receipt.objects.bulk_update(receipts, ["content", "content_hash", "idempotency_key"])


def _empty_remarks(prompts: list[int]) -> None:
    """Empty what labelers and staff remarked on tasks of these prompts; it may quote them."""
    on_them = {"assignment__task__prompt__in": prompts}
    Skip.objects.filter(**on_them).update(note="")
    ResponseReport.objects.filter(**on_them).update(note="", answer="")
    FlagAnswer.objects.filter(
        Q(skip__assignment__task__prompt__in=prompts) | Q(ranking__task__prompt__in=prompts)
    ).update(text="")
    Review.objects.filter(Q(demonstration__prompt__in=prompts) | Q(ranking__task__prompt__in=prompts)).update(
        comment=""
    )
    Adjudication.objects.filter(task__prompt__in=prompts).update(reason="")
    golds = list(GoldAnswer.objects.filter(task__prompt__in=prompts))
    for gold in golds:
        gold.reason = ""
        gold.judgements = [{**each, "note": ""} for each in gold.judgements]
    GoldAnswer.objects.bulk_update(golds, ["reason", "judgements"], batch_size=ROWS_AT_ONCE)


def _hash_of_nothing(code: object) -> str:
    return hashlib.sha256(json.dumps([ERASED, str(code)]).encode()).hexdigest()
