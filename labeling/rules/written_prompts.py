"""Prompt writing: plain prompts, few-shot ones of K pairs, and prompts for a use case.

Ouyang et al. 2022, App. A.1. What labelers write passes the rules of intake; its author is the labeler, whose
split it has. K pairs give K prompts, siblings of one another, each with the other pairs before its query, and
K demonstrations.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import (
    Assignment,
    Batch,
    Demonstration,
    Intake,
    Labeler,
    Prompt,
    PromptKind,
    PromptSource,
    Receipt,
    Refusal,
    Task,
    TaskKind,
    UseCase,
    WrittenPrompt,
)
from labeling.rules import intake as intakes
from labeling.rules import policies, submissions
from labeling.rules.intake import RowFault
from labeling.rules.prompts import DEFAULTS, PromptDraft, author_key_of, draft_of, unsaved_prompt
from labeling.rules.submissions import Submission
from labeling.rules.texts import check_text, normalize
from labeling.rules.typing_evidence import read_evidence, with_earlier

MIN_PAIRS, MAX_PAIRS = 2, 9
WRITABLE_KINDS = (PromptKind.PLAIN, PromptKind.FEW_SHOT, PromptKind.USER_BASED)
SUPERSEDED, WITHDRAWN = "superseded", "withdrawn"
WHAT = "written prompts"
ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Pair:
    """A query and the response it should get, as one example of an instruction."""

    query: str
    response: str


class Refused(InvalidInput):
    """Intake does not take what was written; `reason` is the one it counts."""

    def __init__(self, message: str, *, reason: str, fields: Mapping[str, Any]) -> None:
        super().__init__(message, fields=fields)
        self.reason = reason


def add_prompt_tasks(
    *, batch: Batch, count: int = 0, use_cases: Iterable[UseCase] = (), prompt_kind: str = PromptKind.PLAIN
) -> int:
    """Add tasks of prompt writing to a draft batch; returns how many.

    `count` tasks of plain or few-shot prompts, or for user-based ones `count` tasks (one if 0) for each use
    case. Each is one labeler's to write. Raises InvalidInput, or Conflict unless the batch is a draft.
    """
    if batch.status != Batch.Status.DRAFT:
        raise Conflict(
            f'Batch "{batch}" is {batch.status}; tasks can be added only to a draft.', code="batch_not_draft"
        )
    if batch.kind != TaskKind.PROMPT:
        raise InvalidInput(f"A {batch.kind} batch has prompts already; none are written in it.")
    cases: list[UseCase | None] = list(use_cases)
    if prompt_kind not in WRITABLE_KINDS:
        allowed = ", ".join(WRITABLE_KINDS)
        raise InvalidInput(f'"{prompt_kind}" is not one of {allowed}.', fields={"prompt_kind": "unknown"})
    if prompt_kind == PromptKind.USER_BASED:
        if not cases:
            raise InvalidInput("User-based prompts need a use case.", fields={"use_cases": "none given"})
        cases = [case for case in cases for _ in range(max(1, count))]
    else:
        if cases:
            raise InvalidInput("Only user-based prompts have a use case.", fields={"use_cases": "not here"})
        cases = [None] * count
    Batch.objects.filter(pk=batch.pk).update(settings={**batch.settings, "prompt_kind": str(prompt_kind)})
    batch.refresh_from_db(fields=["settings"])
    Task.objects.bulk_create((Task(batch=batch, use_case=case) for case in cases), batch_size=ROWS_AT_ONCE)
    return len(cases)


def asked_kind(assignment: Assignment) -> PromptKind:
    """Return what sort of prompt a task asks for."""
    if assignment.task.use_case_id is not None:
        return PromptKind.USER_BASED
    stated = assignment.batch.settings.get("prompt_kind", PromptKind.PLAIN)
    return PromptKind(stated) if stated in PromptKind.values else PromptKind.PLAIN


def author_key(labeler: Labeler) -> str:
    """Return the author of a labeler's prompts: the labeler, whatever their name becomes."""
    return author_key_of(f"labeler:{labeler.code}")


def few_shot_texts(instruction: str, pairs: Sequence[Pair]) -> list[str]:
    """Return the K prompts of an instruction and K pairs: each has the other K - 1 pairs before its query."""
    texts = []
    for place, pair in enumerate(pairs):
        others = [other for at, other in enumerate(pairs) if at != place]
        examples = [f"Input: {normalize(o.query)}\nOutput: {normalize(o.response)}" for o in others]
        blocks = [normalize(instruction), *examples, f"Input: {normalize(pair.query)}\nOutput:"]
        texts.append("\n\n".join(blocks))
    return texts


def read_pairs(given: object) -> list[Pair]:
    """Return the pairs of a draft or a submission; parts of another shape are passed over."""
    rows = given if isinstance(given, list) else []
    return [
        Pair(query=str(row.get("query") or ""), response=str(row.get("response") or ""))
        for row in rows
        if isinstance(row, Mapping)
    ]


def submit_written_prompt(
    *,
    assignment: Assignment,
    text: str,
    idempotency_key: str,
    pairs: Sequence[Pair] = (),
    typing: Mapping[str, Any] | None = None,
) -> Receipt:
    """Record what a labeler wrote, make the prompts and demonstrations of it, and answer with a receipt.

    Raises Refused where intake does not take it (empty, too_long, duplicate, long_common_prefix), which is
    counted in the day's intake; the text stays as the draft. The same key again gives the same receipt.
    """
    content: dict[str, Any] = {"text": text, "pairs": [asdict(pair) for pair in pairs]}
    try:
        with transaction.atomic():
            submission = submissions.start_submission(
                assignment=assignment, idempotency_key=idempotency_key, content=content
            )
            if submission.receipt is not None:
                return submission.receipt
            return _record(submission, content, list(pairs), read_evidence(typing))
    except IntegrityError as error:  # somebody submitted the same prompt at the same moment
        submissions.keep_as_draft(assignment=assignment, payload=content)
        _count(intakes.DUPLICATE)
        raise _duplicate() from error
    except InvalidInput as error:
        if error.reason_code != "idempotency_key_reused":
            submissions.keep_as_draft(assignment=assignment, payload=content)
        if isinstance(error, Refused):
            _count(error.reason, error.message)
        raise


def _record(
    submission: Submission, content: dict[str, Any], pairs: list[Pair], typing: dict[str, int]
) -> Receipt:
    slot = submission.assignment
    labeler = slot.labeler
    assert labeler is not None  # a claimed slot has a labeler: a database constraint
    if slot.kind != TaskKind.PROMPT:
        raise InvalidInput(f"This is a {slot.kind} task: no prompt is written in it.")
    kind = asked_kind(slot)
    drafts = _drafts(kind, content["text"], pairs, labeler)
    revision = submissions.revision_of(submission, WrittenPrompt.objects.all())
    before: WrittenPrompt | None = revision.get("supersedes")
    earlier = list(before.prompts.order_by("pk")) if before is not None else []
    _refuse_duplicates(drafts, earlier, is_few_shot=kind == PromptKind.FEW_SHOT)
    is_surplus = submissions.settle_slot(submission)
    written = WrittenPrompt.objects.create(
        labeler=labeler,
        assignment=slot,
        kind=kind,
        text=content["text"],
        pairs=content["pairs"] if kind == PromptKind.FEW_SHOT else [],
        use_case_id=slot.task.use_case_id,
        guideline_id=slot.batch.guideline_id,
        form_id=slot.batch.form_id,
        is_surplus=is_surplus,
        seconds=submission.seconds,
        typing=with_earlier(before.typing if before is not None else None, typing),
        **revision,
    )
    prompts = _store_prompts(drafts, earlier)
    written.prompts.set(prompts)
    if kind == PromptKind.FEW_SHOT:
        _store_demonstrations(written, prompts, pairs, before)
    _count(intakes.ACCEPTED)
    return submissions.give_receipt(submission, content=content, is_surplus=is_surplus)


def _drafts(kind: PromptKind, text: str, pairs: list[Pair], labeler: Labeler) -> list[PromptDraft]:
    """Check what was written and return the prompts it makes."""
    check_text(text, field="text")
    if not text.strip():
        what = "instruction" if kind == PromptKind.FEW_SHOT else "prompt"
        raise Refused(
            f"The {what} is empty; write one, or skip the task.", reason="empty", fields={"text": "is empty"}
        )
    texts = [text]
    if kind == PromptKind.FEW_SHOT:
        _check_pairs(pairs)
        texts = few_shot_texts(text, pairs)
    elif pairs:
        raise InvalidInput("Only few-shot prompts have pairs.", fields={"pairs": "not here"})
    try:
        return [
            draft_of(each, author_key=author_key(labeler), settings=DEFAULTS, kind=kind.value)
            for each in texts
        ]
    except RowFault as fault:
        raise Refused(
            f"This prompt is not taken: {fault.detail}.", reason=fault.reason, fields={"text": fault.detail}
        ) from fault


def _check_pairs(pairs: list[Pair]) -> None:
    if not MIN_PAIRS <= len(pairs) <= MAX_PAIRS:
        raise InvalidInput(
            f"A few-shot prompt has {MIN_PAIRS} to {MAX_PAIRS} pairs, this one has {len(pairs)}.",
            fields={"pairs": f"{len(pairs)} given"},
        )
    faults: dict[str, str] = {}
    seen: dict[str, int] = {}
    for number, pair in enumerate(pairs, start=1):
        check_text(pair.query, field=f"query {number}")
        check_text(pair.response, field=f"response {number}")
        empty = [name for name in ("query", "response") if not getattr(pair, name).strip()]
        if empty:
            faults[str(number)] = f"{' and '.join(empty)} empty"
            continue
        first = seen.setdefault(normalize(pair.query), number)
        if first != number:
            faults[str(number)] = f"the same query as pair {first}"
    if faults:
        sentence = "; ".join(f"pair {number}: {fault}" for number, fault in faults.items())
        raise InvalidInput(f"Every pair needs a query and a response: {sentence}.", fields={"pairs": faults})


def _refuse_duplicates(drafts: list[PromptDraft], earlier: list[Prompt], *, is_few_shot: bool) -> None:
    """Refuse what stands already; the prompts of the revision before are one's own."""
    own = {prompt.pk for prompt in earlier}
    others = Prompt.objects.exclude(pk__in=own)
    if others.filter(text_hash__in=[draft.text_hash for draft in drafts]).exists():
        raise _duplicate()
    key = drafts[0].prefix_key
    if key and others.filter(prefix_key=key).exclude(parent__in=own).exists():
        what = "instruction and first pairs" if is_few_shot else "beginning"
        raise Refused(
            f"This prompt is not taken: another one has the same long {what}. Write another.",
            reason="long_common_prefix",
            fields={"text": "starts like another prompt"},
        )


def _duplicate() -> Refused:
    return Refused(
        "This prompt is not taken: the same one stands already. Write another.",
        reason=intakes.DUPLICATE,
        fields={"text": "the same prompt stands already"},
    )


def _store_prompts(drafts: list[PromptDraft], earlier: list[Prompt]) -> list[Prompt]:
    """Store the prompts; those of the revision before that are no longer among them are held."""
    intake = days_intake()
    known = {prompt.text_hash: prompt for prompt in earlier}
    root: Prompt | None = earlier[0].parent or earlier[0] if earlier else None
    prompts = []
    for draft in drafts:
        prompt = known.get(draft.text_hash)
        if prompt is None:
            prompt = unsaved_prompt(draft, intake)
            prompt.parent, prompt.written_at = root, timezone.now()
            prompt.save()
        elif prompt.held_reason in (SUPERSEDED, WITHDRAWN):
            prompt.held_reason = ""
            prompt.save(update_fields=["held_reason"])
        root = root or prompt
        prompts.append(prompt)
    kept = {prompt.pk for prompt in prompts}
    for prompt in earlier:
        if prompt.pk not in kept and not prompt.held_reason:
            prompt.held_reason = SUPERSEDED
            prompt.save(update_fields=["held_reason"])
    return prompts


def _store_demonstrations(
    written: WrittenPrompt, prompts: list[Prompt], pairs: list[Pair], before: WrittenPrompt | None
) -> None:
    """Let the response of each pair stand as a demonstration for the prompt that ends in its query."""
    people = policies.people_policy()
    earlier: list[Demonstration] = []
    if before is not None:
        earlier = list(Demonstration.objects.filter(assignment=written.assignment).newest().order_by("pk"))
    for place, (prompt, pair) in enumerate(zip(prompts, pairs, strict=True)):
        revised = earlier[place] if place < len(earlier) else None
        Demonstration.objects.create(
            prompt=prompt,
            labeler=written.labeler,
            assignment=written.assignment,
            response=policies.add_response(prompt=prompt, policy=people, text=pair.response),
            text=pair.response,
            guideline=written.guideline,
            form=written.form,
            revision=revised.revision + 1 if revised else 1,
            supersedes=revised,
            is_surplus=written.is_surplus,
            seconds=written.seconds // len(pairs),
        )


def days_intake() -> Intake:
    """Return the intake that counts what labelers write today."""
    today = timezone.now().replace(hour=0, minute=0, second=0, microsecond=0)
    found = Intake.objects.filter(source=PromptSource.LABELER, what=WHAT, created_at__gte=today)
    return found.order_by("pk").first() or Intake.objects.create(source=PromptSource.LABELER, what=WHAT)


@transaction.atomic
def _count(reason: str, detail: str = "") -> None:
    """Count one prompt that was taken or refused, and why."""
    intake = Intake.objects.select_for_update().get(pk=days_intake().pk)
    intake.counts = {**intake.counts, reason: intake.counts.get(reason, 0) + 1}
    intake.read += 1
    intake.finished_at = timezone.now()
    intake.save(update_fields=["counts", "read", "finished_at"])
    if reason != intakes.ACCEPTED:
        Refusal.objects.create(intake=intake, line=intake.read, reason=reason, detail=detail[:300])
