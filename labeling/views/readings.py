"""Say what each response seems to say; only then the prompt is shown."""

from uuid import UUID

from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.gzip import gzip_page

from labeling.errors import AssignmentClosed, Conflict, InvalidInput
from labeling.forms.readings import ReadingsForm
from labeling.rules import assignments, comparisons, readings
from labeling.views.access import LabelerRequest, require_labeler
from labeling.views.assignments import (
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
def read(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Show the responses of a task without its prompt, and take a few words about each.

    What was stored stands, so a second visit leads on to the ranking.
    """
    assignment = own_assignment(request, code)
    if not readings.asks(assignment.batch):
        raise Http404
    if not readings.are_awaited(assignment):
        return go_to(request, page_of(assignment))
    draft = draft_of(assignment)
    form = ReadingsForm(
        request.POST if request.method == "POST" else None,
        responses=comparisons.responses_in_display_order(assignment),
        draft=draft.payload if draft else None,
    )
    if request.method != "POST":
        if not is_workable(assignment):
            return lead_on(request, assignment)
    elif "save" in request.POST:
        try:
            assignments.save_draft(
                assignment=assignment, version=draft.version if draft else 0, payload=form.draft_payload()
            )
        except Conflict as error:
            form.add_error(None, error.message)
        else:
            return redirect(page_of(assignment))
    elif form.is_valid():
        try:
            readings.store_readings(assignment=assignment, said=form.said())
        except AssignmentClosed as error:
            return lead_on(request, assignment, error)
        except InvalidInput as error:
            form.add_error(None, error.message)
        else:
            return go_to(request, page_of(assignment))
    form.focus_first_fault()
    page = "readings/read.html#reading-form" if request.htmx else "readings/read.html"
    context = {**task_context(assignment), "form": form, "rows": form.rows}
    return render(request, page, context, status=422 if form.is_bound else 200)
