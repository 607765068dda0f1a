"""Rate K responses one at a time, then rank them all."""

from uuid import UUID

from django.http import Http404, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from labeling.errors import AssignmentClosed, InvalidInput, StaleDraft
from labeling.forms.assignments import RankingForm
from labeling.models import Assignment, TaskKind
from labeling.rules import assignments, comparisons, forms
from labeling.views.access import LabelerRequest, require_labeler
from labeling.views.assignments import (
    UNANSWERED,
    draft_of,
    go_to,
    lead_on,
    own_assignment,
    page_of,
    task_context,
)


@require_labeler
def rank(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Show a prompt and its responses, first one by one, then together; a submission leads to its receipt."""
    assignment = own_assignment(request, code)
    if not TaskKind(assignment.kind).is_ranked:
        raise Http404
    draft = draft_of(assignment)
    form = RankingForm(
        request.POST if request.method == "POST" else None,
        responses=comparisons.responses_in_display_order(assignment),
        flags=forms.asked_flags(form=assignment.batch.form, prompt=assignment.task.given_prompt),
        draft=draft.payload if draft else None,
    )
    if request.method != "POST":
        if assignment.state not in UNANSWERED:
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
    elif form.is_valid():
        try:
            receipt = comparisons.submit_ranking(
                assignment=assignment,
                judgements=form.judgements(),
                idempotency_key=form.cleaned_data["idempotency_key"],
                notes=form.cleaned_data["notes"],
                was_touched=form.cleaned_data["was_touched"] == "yes",
                moves=form.cleaned_data["moves"] or 0,
            )
        except AssignmentClosed as error:
            return lead_on(request, assignment, error)
        except InvalidInput as error:
            form.add_error(None, error.message)
            assignment.refresh_from_db()
        else:
            return go_to(request, reverse("receipt-detail", args=[receipt.code]))
    page = "comparisons/rank.html#ranking-form" if request.htmx else "comparisons/rank.html"
    return render(request, page, rank_context(assignment, form), status=422 if form.is_bound else 200)


def rank_context(assignment: Assignment, form: RankingForm) -> dict[str, object]:
    """Return what the ranking page shows. Who wrote a response is not among it."""
    schema = assignment.batch.form.schema if assignment.batch.form else {}
    likert = schema.get("likert", {})
    low, high = likert.get("min", 1), likert.get("max", 7)
    anchors = likert.get("anchors", {})
    return {
        **task_context(assignment),
        "form": form,
        "rows": form.rows,
        "k": len(form.responses),
        "ranks": form.ranks,
        "step": form.current_step,
        "likert_label": likert.get("label", "Overall quality"),
        "likert_points": [(str(value), anchors.get(str(value), "")) for value in range(low, high + 1)],
        "starts_from_ratings": bool(assignment.batch.settings.get("presort")),
    }
