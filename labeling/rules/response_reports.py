"""Reports of single responses: made from inside a task, answered by staff."""

from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotFound
from labeling.models import Assignment, Batch, Response, ResponseReport, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.texts import check_text

MAX_REPORT_CHARACTERS = 2000
REPORTABLE = (Assignment.State.LEASED, Assignment.State.EXPIRED, Assignment.State.SUBMITTED)


@transaction.atomic
def report_response(*, assignment: Assignment, response: UUID, reason: str, note: str = "") -> ResponseReport:
    """Record that something is wrong with one response of a task that its labeler has or had in hand.

    Reporting it again for the same reason adds the note to the open report. Raises NotFound for a response
    that does not stand in the task, InvalidInput for an unknown reason or a note that explains nothing.
    """
    if reason not in ResponseReport.Reason.values:
        allowed = ", ".join(ResponseReport.Reason.values)
        raise InvalidInput(f'reason "{reason}" is not one of {allowed}.', fields={"reason": "unknown"})
    note = check_text(note, field="note").strip()
    if len(note) > MAX_REPORT_CHARACTERS:
        raise InvalidInput(
            f"The note has {len(note)} characters, at most {MAX_REPORT_CHARACTERS} are allowed.",
            fields={"note": "too long"},
        )
    if reason == ResponseReport.Reason.OTHER and not note:
        raise InvalidInput("Say in the note what is wrong with it.", fields={"note": "is empty"})
    if assignment.labeler is None or assignment.state not in REPORTABLE:
        raise Conflict("Only a response of a task in hand can be reported.")
    found = Response.objects.filter(candidacies__task=assignment.task_id, code=response).first()
    if found is None:
        raise NotFound("There is no such response in this task.")
    report, is_new = ResponseReport.objects.select_for_update(of=("self",)).get_or_create(
        assignment=assignment,
        response=found,
        reason=reason,
        defaults={"labeler": assignment.labeler, "note": note},
    )
    if not is_new and note and note not in report.note:
        report.note = f"{report.note}\n\n{note}".strip()
        report.answered_at, report.answered_by = None, None  # there is something new to read
        report.save(update_fields=["note", "answered_at", "answered_by"])
    return report


def reports_of(assignment: Assignment) -> dict[UUID, list[ResponseReport]]:
    """Return what the labeler reported in a task, by the response's code."""
    found: dict[UUID, list[ResponseReport]] = {}
    for report in assignment.response_reports.select_related("response").order_by("pk"):
        found.setdefault(report.response.code, []).append(report)
    return found


def list_reports(*, batch: Batch | None = None, is_open: bool = True) -> QuerySet[ResponseReport]:
    """Return reports for staff, newest first: of one batch or of all, open or answered."""
    rows = ResponseReport.objects.filter(answered_at__isnull=is_open)
    rows = rows.select_related("labeler", "response__prompt", "assignment__batch", "answered_by")
    return rows.filter(assignment__batch=batch) if batch is not None else rows


@transaction.atomic
def answer_report(*, report: ResponseReport, answer: str, by: User) -> ResponseReport:
    """Record what staff did about a report; its labeler reads the answer, not who gave it.

    Raises Conflict if it was answered already, InvalidInput for an empty answer.
    """
    ensure(by, Action.MANAGE_BATCHES)
    answer = check_text(answer, field="answer").strip()
    if not 1 <= len(answer) <= MAX_REPORT_CHARACTERS:
        raise InvalidInput(
            f"An answer has 1 to {MAX_REPORT_CHARACTERS} characters.", fields={"answer": "length"}
        )
    changed = (
        ResponseReport.objects.open()
        .filter(pk=report.pk)
        .update(answer=answer, answered_by=by, answered_at=timezone.now())
    )
    if changed != 1:
        raise Conflict("This report was answered already.", code="already_answered")
    audit.record(actor=by, action="answer_response_report", obj=report, reason=report.reason)
    report.refresh_from_db()
    return report
