"""Demonstrations: a response that a labeler wrote."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import (
    Assignment,
    Demonstration,
    Intake,
    Labeler,
    Prompt,
    PromptSource,
    Receipt,
    Response,
    Task,
    TaskKind,
)
from labeling.rules import intake as intakes
from labeling.rules import label_imports, policies, prompt_judgements, submissions
from labeling.rules.intake import Line, RowFault, Tally
from labeling.rules.label_imports import Importer
from labeling.rules.prompt_judgements import NOTHING_SAID, AboutPrompt
from labeling.rules.prompts import (
    DEFAULTS,
    IntakeSettings,
    PromptDraft,
    find_or_make_prompts,
    label_prompt_draft,
)
from labeling.rules.rows import identifier_in, text_in
from labeling.rules.texts import check_text
from labeling.rules.typing_evidence import read_evidence, with_earlier


def submit_demonstration(
    *,
    assignment: Assignment,
    text: str,
    idempotency_key: str,
    typing: Mapping[str, Any] | None = None,
    about: AboutPrompt = NOTHING_SAID,
) -> Receipt:
    """Record what a labeler wrote, as it was written, and answer with a receipt.

    `typing` counts what was typed and what was pasted; it is evidence for a reviewer and refuses nothing.
    `about` is what the labeler said about the prompt.

    The text also stands as a response of the people's policy. The same key again gives the same receipt.
    Raises InvalidInput for a blank or unstorable text (the draft stays as it is), AssignmentClosed
    for an assignment that was answered under another key, skipped or withdrawn.
    """
    content = {"text": text, **({} if about.is_empty else {"about_prompt": about.as_payload()})}
    try:
        with transaction.atomic():
            return _submit(assignment, content, idempotency_key, read_evidence(typing), about)
    except InvalidInput as error:
        if error.reason_code != "idempotency_key_reused":
            submissions.keep_as_draft(assignment=assignment, payload=content)
        raise


def _submit(
    assignment: Assignment,
    content: Mapping[str, Any],
    idempotency_key: str,
    typing: dict[str, int],
    about: AboutPrompt,
) -> Receipt:
    text: str = content["text"]
    submission = submissions.start_submission(
        assignment=assignment, idempotency_key=idempotency_key, content=content
    )
    if submission.receipt is not None:
        return submission.receipt
    slot = submission.assignment
    if slot.kind != TaskKind.DEMONSTRATION:
        wanted = "a ranking" if TaskKind(slot.kind).is_ranked else "a prompt"
        raise InvalidInput(f"This is a {slot.kind} task: it wants {wanted}, not a response.")
    if not check_text(text, field="text").strip():
        raise InvalidInput("The response is empty; write one, or skip the task.", fields={"text": "is empty"})
    prompt_judgements.check_about(slot.batch.form, about)
    is_surplus = submissions.settle_slot(submission)
    response = policies.add_response(
        prompt=slot.task.given_prompt, policy=policies.people_policy(), text=text
    )
    assert slot.labeler is not None  # a claimed slot has a labeler: a database constraint
    revision = submissions.revision_of(submission, Demonstration.objects.all())
    before: Demonstration | None = revision.get("supersedes")
    Demonstration.objects.create(
        prompt=slot.task.given_prompt,
        labeler=slot.labeler,
        assignment=slot,
        response=response,
        text=text,
        guideline_id=slot.batch.guideline_id,
        form_id=slot.batch.form_id,
        is_surplus=is_surplus,
        seconds=submission.seconds,
        typing=with_earlier(before.typing if before is not None else None, typing),
        **revision,
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


def import_demonstrations(
    *,
    rows: intakes.Rows,
    source: str = PromptSource.LABELER,
    file_name: str = "",
    strict: bool = False,
    settings: IntakeSettings = DEFAULTS,
    progress: Callable[[int], None] | None = None,
) -> Intake:
    """Take demonstrations in, with their prompts, as written by external labelers.

    Refusals: malformed, duplicate (this labeler wrote this before), empty_response, and those of the
    prompt: empty, too_long, language.
    """

    def take(intake: Intake) -> intakes.TakeChunk:
        importer = Importer(intake, TaskKind.DEMONSTRATION)
        return lambda lines, tally: _take_demonstrations(lines, tally, importer, settings)

    return intakes.run_intake(
        rows=rows,
        take=take,
        source=source,
        what="demonstrations",
        file_name=file_name,
        strict=strict,
        progress=progress,
    )


def _take_demonstrations(
    lines: list[Line], tally: Tally, importer: Importer, settings: IntakeSettings
) -> None:
    rows: list[tuple[Line, PromptDraft, str, Labeler]] = []
    for line in lines:
        try:
            row = intakes.values_of(line)
            text = text_in(row, "response")
            if not text.strip():
                raise RowFault("empty_response", "there is nothing to learn from an empty demonstration")
            draft = label_prompt_draft(row, text_in(row, "prompt"), settings=settings)
            labeler = importer.labeler(identifier_in(row, "labeler") or policies.UNKNOWN)
            rows.append((line, draft, text, labeler))
        except RowFault as fault:
            tally.refuse(line, fault)
    prompts = find_or_make_prompts(drafts=[draft for _, draft, _, _ in rows], intake=importer.intake)
    known = label_imports.known_responses(prompts)
    people = policies.people_policy()
    done = set(
        Demonstration.objects.filter(prompt_id__in={prompt.pk for prompt in prompts}).values_list(
            "prompt_id", "labeler_id", "response__text_hash"
        )
    )
    responses: dict[label_imports.ResponseKey, Response] = {}
    new: list[tuple[Prompt, Labeler, Response]] = []
    for (line, _, text, labeler), prompt in zip(rows, prompts, strict=True):
        fresh = label_imports.unsaved_response(prompt, people, text)
        if (prompt.pk, labeler.pk, fresh.text_hash) in done:
            tally.refuse(
                line, RowFault(intakes.DUPLICATE, f"{labeler} wrote the same for prompt {prompt.code}")
            )
            continue
        done.add((prompt.pk, labeler.pk, fresh.text_hash))
        key = label_imports.response_key(fresh)
        new.append((prompt, labeler, known.get(key) or responses.setdefault(key, fresh)))
        tally.take()
    Response.objects.bulk_create(responses.values())
    if new:
        batch = importer.batch()
        Task.objects.bulk_create(
            Task(batch=batch, prompt=prompt) for prompt in {p.pk: p for p, _, _ in new}.values()
        )
    Demonstration.objects.bulk_create(
        Demonstration(prompt=prompt, labeler=labeler, response=response, text=response.text)
        for prompt, labeler, response in new
    )
