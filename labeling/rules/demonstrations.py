"""Demonstrations: a response that a labeler wrote."""

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import Assignment, Demonstration, Receipt, TaskKind
from labeling.rules import policies, submissions
from labeling.rules.texts import check_text


def submit_demonstration(*, assignment: Assignment, text: str, idempotency_key: str) -> Receipt:
    """Record what a labeler wrote, as it was written, and answer with a receipt.

    The text also stands as a response of the people's policy. The same key again gives the same receipt.
    Raises InvalidInput for a blank or unstorable text (what was sent is kept as the draft), AssignmentClosed
    for an assignment that was answered under another key, skipped or withdrawn.
    """
    try:
        with transaction.atomic():
            return _submit(assignment, text, idempotency_key)
    except InvalidInput as error:
        if error.reason_code != "idempotency_key_reused":
            submissions.keep_as_draft(assignment=assignment, payload={"text": text})
        raise


def _submit(assignment: Assignment, text: str, idempotency_key: str) -> Receipt:
    submission = submissions.start_submission(assignment=assignment, idempotency_key=idempotency_key)
    if submission.receipt is not None:
        return submission.receipt
    slot = submission.assignment
    if TaskKind(slot.kind).is_ranked:
        raise InvalidInput(f"This is a {slot.kind} task: it wants a ranking, not a text.")
    if not check_text(text, field="text").strip():
        raise InvalidInput("The response is empty; write one, or skip the task.", fields={"text": "is empty"})
    is_surplus = submissions.settle_slot(submission)
    response = policies.add_response(prompt=slot.task.prompt, policy=policies.people_policy(), text=text)
    assert slot.labeler is not None  # a claimed slot has a labeler: a database constraint
    Demonstration.objects.create(
        prompt=slot.task.prompt,
        labeler=slot.labeler,
        assignment=slot,
        response=response,
        text=text,
        guideline_id=slot.batch.guideline_id,
        form_id=slot.batch.form_id,
        is_surplus=is_surplus,
        seconds=submission.seconds,
    )
    return submissions.give_receipt(submission, content={"text": text}, is_surplus=is_surplus)
