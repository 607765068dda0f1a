"""Rate K responses one at a time, then rank them all."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.gzip import gzip_page

from labeling.errors import AssignmentClosed, InvalidInput, LabelingError, StaleDraft
from labeling.forms.rankings import LETTERS, RankingForm
from labeling.forms.response_reports import ReportForm
from labeling.models import Assignment, TaskKind
from labeling.rules import assignments, comparisons, readings, response_reports, toxicity
from labeling.views.access import LabelerRequest, require_labeler
from labeling.views.assignments import (
    after_submission,
    draft_of,
    go_to,
    is_workable,
    lead_on,
    own_assignment,
    page_of,
    task_context,
)


@gzip_page
@require_labeler
def rank(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Show a prompt and its responses, first one by one, then together; a submission leads to its receipt."""
    assignment = own_assignment(request, code)
    if not TaskKind(assignment.kind).is_ranked:
        raise Http404
    if readings.are_awaited(assignment):
        return go_to(request, page_of(assignment))
    draft = draft_of(assignment)
    form = RankingForm(
        request.POST if request.method == "POST" else None,
        responses=comparisons.responses_in_display_order(assignment),
        prompt=assignment.task.given_prompt,
        version=assignment.batch.form,
        guideline=assignment.batch.guideline,
        draft=draft.payload if draft else None,
        readings=readings.readings_of(assignment),
    )
    doubts: list[str] = []
    if request.method != "POST":
        if not is_workable(assignment):
            return lead_on(request, assignment)
    elif "save" in request.POST:
        try:
            assignments.save_draft(
                assignment=assignment, version=draft.version if draft else 0, payload=form.draft_payload()
            )
        except (AssignmentClosed, StaleDraft) as error:
            form.add_error(None, error.message)
        else:
            return redirect(page_of(assignment))
    elif form.is_valid() and not (doubts := form.doubts()):
        try:
            receipt = comparisons.submit_ranking(
                assignment=assignment,
                judgements=form.judgements(),
                idempotency_key=form.cleaned_data["idempotency_key"],
                notes=form.cleaned_data["notes"],
                was_touched=form.cleaned_data["was_touched"] == "yes",
                moves=form.cleaned_data["moves"] or 0,
                start=form.cleaned_data["start"],
                about=form.about(),
            )
        except AssignmentClosed as error:
            return lead_on(request, assignment, error)
        except InvalidInput as error:
            form.renew_key()
            form.add_error(None, error.message)
            assignment.refresh_from_db()
        else:
            return after_submission(request, receipt)
    page = "comparisons/rank.html#ranking-form" if request.htmx else "comparisons/rank.html"
    context = rank_context(assignment, form) | {"doubts": doubts}
    return render(request, page, context, status=422 if form.is_bound else 200)


def rank_context(assignment: Assignment, form: RankingForm) -> dict[str, object]:
    """Return what the ranking page shows. Who wrote a response is not among it."""
    return {
        **task_context(assignment),
        "form": form,
        "rows": form.rows,
        "k": len(form.responses),
        "ranks": form.ranks,
        "step": form.current_step,
        "last_step": form.last_step,
        "starts_from_ratings": comparisons.starts_from_ratings(assignment),
        "reports": {str(code): found for code, found in response_reports.reports_of(assignment).items()},
        "condition": toxicity.condition_of(assignment.batch),
    }


@require_labeler
def report_response(request: LabelerRequest, code: UUID, response: UUID) -> HttpResponseBase:
    """Report one response of a task in hand: in the dialog of its page, or on a page of its own."""
    assignment = own_assignment(request, code)
    if not TaskKind(assignment.kind).is_ranked:
        raise Http404
    letters = {
        row.code: letter
        for letter, row in zip(LETTERS, comparisons.responses_in_display_order(assignment), strict=False)
    }
    if response not in letters:
        raise Http404
    form = ReportForm(request.POST if request.method == "POST" else None, auto_id="report-%s")
    if request.method == "POST" and form.is_valid():
        try:
            response_reports.report_response(
                assignment=assignment,
                response=response,
                reason=form.cleaned_data["reason"],
                note=form.cleaned_data["note"],
            )
        except LabelingError as error:
            form.add_error("note" if "note" in error.fields else None, error.message)
        else:
            if not request.htmx:
                messages.success(request, f"Response {letters[response]} was reported. Thank you.")
                return redirect(page_of(assignment))
    is_done = form.is_bound and not form.errors
    context = {
        "assignment": assignment,
        "form": form,
        "response": response,
        "letter": letters[response],
        "is_done": is_done,
        "earlier": response_reports.reports_of(assignment).get(response, []),
        "page_url": page_of(assignment),
    }
    page = "comparisons/report.html#report-form" if request.htmx else "comparisons/report.html"
    return render(request, page, context, status=422 if form.is_bound and not is_done else 200)
