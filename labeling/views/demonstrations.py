"""Write a demonstration."""

from uuid import UUID

from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.gzip import gzip_page

from labeling.errors import AssignmentClosed, InvalidInput, StaleDraft
from labeling.forms.about_prompts import initial_about
from labeling.forms.assignments import DemonstrationForm
from labeling.models import TaskKind
from labeling.rules import assignments, demonstrations, writing_hints
from labeling.views.access import LabelerRequest, require_labeler
from labeling.views.assignments import (
    after_submission,
    draft_of,
    is_workable,
    lead_on,
    own_assignment,
    page_of,
    task_context,
)


@gzip_page
@require_labeler
def write(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Show the prompt and a place to write; a submission leads to its receipt."""
    assignment = own_assignment(request, code)
    if assignment.kind != TaskKind.DEMONSTRATION:
        raise Http404
    draft = draft_of(assignment)
    saved = draft.payload.get("text") if draft else ""
    form = DemonstrationForm(
        request.POST if request.method == "POST" else None,
        initial={
            **initial_about(draft.payload.get("about_prompt") if draft else None),
            "text": saved if isinstance(saved, str) else "",
        },
    )
    form.ask_about_prompt(assignment.batch.form)
    if request.method != "POST":
        if not is_workable(assignment):
            return lead_on(request, assignment)
    elif "save" in request.POST:
        try:
            assignments.save_draft(
                assignment=assignment,
                version=draft.version if draft else 0,
                payload={"text": form["text"].value() or "", "about_prompt": form.about_payload()},
            )
        except (AssignmentClosed, StaleDraft) as error:
            form.add_error(None, error.message)
        else:
            return redirect(page_of(assignment))
    elif form.is_valid():
        try:
            receipt = demonstrations.submit_demonstration(
                assignment=assignment,
                text=form.cleaned_data["text"],
                idempotency_key=form.cleaned_data["idempotency_key"],
                typing=form.typing(),
                about=form.about(),
            )
        except AssignmentClosed as error:
            return lead_on(request, assignment, error)
        except InvalidInput as error:
            form.renew_key()
            form.add_error("text", error.message)
            assignment.refresh_from_db()
        else:
            return after_submission(request, receipt)
    context = {**task_context(assignment), "form": form, "max_tokens": writing_hints.MAX_TOKENS}
    page = "demonstrations/write.html#writing-form" if request.htmx else "demonstrations/write.html"
    return render(request, page, context, status=422 if form.is_bound else 200)
