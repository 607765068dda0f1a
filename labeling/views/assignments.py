"""What all pages of a leased task share: whose it is, where it stands, where a submission leads; skipping."""

from uuid import UUID

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from labeling.errors import AssignmentClosed, LabelingError
from labeling.forms.assignments import SkipForm
from labeling.models import Assignment, Draft, TaskKind
from labeling.rules import assignments, slots
from labeling.rules.access import Action, can
from labeling.views.access import LabelerRequest, PageRequest, require_labeler

UNANSWERED = (Assignment.State.LEASED, Assignment.State.EXPIRED)


def own_assignment(request: LabelerRequest, code: UUID) -> Assignment:
    """Return an assignment of this labeler, with all that its page shows; 404 for those of others."""
    rows = Assignment.objects.filter(labeler=request.labeler)
    rows = rows.select_related("task__prompt", "batch__guideline", "batch__form", "labeler", "draft")
    assignment = get_object_or_404(rows.prefetch_related("task__candidates__response"), code=code)
    if not can(request.user, Action.LABEL, assignment):
        raise PermissionDenied
    return assignment


def page_of(assignment: Assignment) -> str:
    """Return the address of the page on which an assignment is worked on."""
    route = "comparison-rank" if TaskKind(assignment.kind).is_ranked else "demonstration-write"
    return reverse(route, args=[assignment.code])


def draft_of(assignment: Assignment) -> Draft | None:
    """Return the saved draft, None before the first."""
    try:
        return assignment.draft
    except Draft.DoesNotExist:
        return None


def go_to(request: PageRequest, url: str) -> HttpResponse:
    """Lead on to another page, from a plain form and from an htmx one alike."""
    return HttpResponseClientRedirect(url) if request.htmx else redirect(url)


def lead_on(
    request: PageRequest, assignment: Assignment, error: AssignmentClosed | None = None
) -> HttpResponse:
    """Lead away from an assignment that is over: to its receipt, else to the start page."""
    receipt = error.receipt if error and error.receipt else slots.latest_receipt(assignment)
    if receipt is not None:
        if error is not None:
            messages.info(request, "This task was submitted before; here is its receipt.")
        return go_to(request, reverse("receipt-detail", args=[receipt.code]))
    messages.warning(request, error.message if error else "This task was passed on.")
    return go_to(request, reverse("work"))


def task_context(assignment: Assignment) -> dict[str, object]:
    """Return what the frame of every task page shows."""
    draft = draft_of(assignment)
    return {
        "assignment": assignment,
        "prompt": assignment.task.prompt,
        "guideline": assignment.batch.guideline,
        "draft_version": draft.version if draft else 0,
        "draft_saved_at": draft.saved_at if draft else None,
        "lease_has_ended": assignment.state == Assignment.State.EXPIRED,
        "skip_form": SkipForm(),
    }


@require_POST
@require_labeler
def next_task(request: LabelerRequest, kind: str) -> HttpResponseBase:
    """Lease the next task and open it; without one, back to the start page, which says what is waiting."""
    try:
        assignment = assignments.claim_next(labeler=request.labeler, kind=kind)
    except LabelingError as error:
        messages.error(request, error.message)
        return go_to(request, reverse("work"))
    if assignment is None:
        messages.info(request, "Nothing of that kind is open for you at the moment.")
        return go_to(request, reverse("work"))
    return go_to(request, page_of(assignment))


@require_labeler
def skip(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Pass a task on, with a reason: from the dialog of a task page, or from a page of its own."""
    assignment = own_assignment(request, code)
    form = SkipForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            assignments.skip(
                assignment=assignment, reason=form.cleaned_data["reason"], note=form.cleaned_data["note"]
            )
        except AssignmentClosed as error:
            return lead_on(request, assignment, error)
        except LabelingError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "The task was passed on with your reason. Nothing is held against you.")
            return go_to(request, reverse("work"))
    elif assignment.state not in UNANSWERED:
        return lead_on(request, assignment)
    page = "assignments/skip.html#skip-form" if request.htmx else "assignments/skip.html"
    context = {**task_context(assignment), "skip_form": form, "page_url": page_of(assignment)}
    return render(request, page, context, status=422 if form.is_bound else 200)
