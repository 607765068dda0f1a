"""What all pages of a leased task share: whose it is, where it stands, where a submission leads; skipping."""

from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from labeling.errors import AssignmentClosed, LabelingError, TooMany
from labeling.forms.assignments import SkipForm
from labeling.models import Assignment, Draft, Receipt, Skip, TaskKind
from labeling.rules import assignments, claim_rate, feedback, history, preferences, readings, revisions, slots
from labeling.rules.access import Action, can
from labeling.views.access import LabelerRequest, PageRequest, require_labeler

UNANSWERED = (Assignment.State.LEASED, Assignment.State.EXPIRED)
PAGES = {
    TaskKind.DEMONSTRATION: "demonstration-write",
    TaskKind.PROMPT: "written-prompt-write",
    TaskKind.COMPARISON: "comparison-rank",
    TaskKind.EVALUATION: "comparison-rank",
    TaskKind.TOXICITY: "comparison-rank",
}


PASSED_ON = {
    Skip.Reason.UNCLEAR: "Passed on to the end of the queue; the manager sees that it was unclear.",
    Skip.Reason.EXPERTISE: "Passed on to another labeler. Nothing is held against you.",
    Skip.Reason.BROKEN: "Passed on to the researchers, who look at what is broken.",
    Skip.Reason.HARMFUL: "Passed on. Take a break if you need one, and talk to your manager if it stays with "
    "you. Under Preferences you can opt out of distressing material.",
}


def own_assignment(request: LabelerRequest, code: UUID) -> Assignment:
    """Return an assignment of this labeler, with all that its page shows; 404 for those of others."""
    rows = Assignment.objects.filter(labeler=request.labeler)
    rows = rows.select_related(
        "task__prompt", "task__use_case", "batch__guideline", "batch__form", "labeler__preferences", "draft"
    )
    assignment = get_object_or_404(rows.prefetch_related("task__candidates__response"), code=code)
    if not can(request.user, Action.LABEL, assignment):
        raise PermissionDenied
    return assignment


def page_of(assignment: Assignment) -> str:
    """Return the address of the page on which an assignment is worked on, as far as it has come."""
    if readings.are_awaited(assignment):
        return reverse("comparison-read", args=[assignment.code])
    return reverse(PAGES[TaskKind(assignment.kind)], args=[assignment.code])


def is_workable(assignment: Assignment) -> bool:
    """Return whether this may be worked on: it was not answered yet, or is being revised."""
    return assignment.state in UNANSWERED or assignment.reopened_at is not None


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
    labeler = assignment.labeler
    assert labeler is not None  # it was looked up as somebody's own
    last = revisions.last_submission(labeler)
    return {
        "assignment": assignment,
        "prompt": assignment.task.prompt,
        "guideline": assignment.batch.guideline,
        "draft_version": draft.version if draft else 0,
        "draft_saved_at": draft.saved_at if draft else None,
        "lease_has_ended": assignment.state == Assignment.State.EXPIRED,
        "skip_form": SkipForm(),
        "is_revision": assignment.reopened_at is not None,
        "returned": history.returned_with(assignment),
        "last": last if last is not None and last.assignment_id != assignment.pk else None,
        "last_may_undo": last is not None and revisions.may_undo(last, is_last=True),
        "last_may_reopen": last is not None and revisions.may_reopen(last, is_last=True),
        "undo_until": revisions.undo_until(last) if last is not None else None,
        "break_after_minutes": preferences.preferences_of(labeler).break_after_minutes,
        "prepares_ahead": settings.TASKS_IN_HAND > 1 and assignment.reopened_at is None,
    }


def claim(request: LabelerRequest, kind: str) -> Assignment | None:
    """Lease the next task of a kind, if this person has not asked too often."""
    claim_rate.count_claim(request.user)
    return assignments.claim_next(labeler=request.labeler, kind=kind)


def after_submission(request: LabelerRequest, receipt: Receipt) -> HttpResponse:
    """Lead on from a submission: to the next task if it was asked for and there is one, else to the receipt.

    Who finishes for now gives back what was prepared for them. Feedback is looked at before the next task.
    """
    kind = receipt.assignment.kind
    if feedback.feedback_on(receipt.assignment) is not None:
        return go_to(request, reverse("receipt-detail", args=[receipt.code]))
    if request.POST.get("then") == "next":
        try:
            following = claim(request, kind)
        except LabelingError:
            following = None  # the receipt's page says what stands in the way of a next task
        if following is not None:
            return go_to(request, page_of(following))
    else:
        assignments.give_back(labeler=request.labeler, kind=kind)
    return go_to(request, reverse("receipt-detail", args=[receipt.code]))


def after_skip(request: LabelerRequest, skipped: Assignment, reason: str) -> HttpResponse:
    """Lead on from a skip: to the next task of that kind if there is one, else to the start page.

    After harmful material nobody is led straight into the next task: the start page offers to opt out.
    """
    if reason == Skip.Reason.HARMFUL:
        return go_to(request, reverse("work"))
    try:
        following = claim(request, skipped.kind)
    except TooMany as error:
        messages.warning(request, error.message)
        return go_to(request, reverse("work"))
    except LabelingError:
        following = None  # the start page says what stands in the way
    if following is None:
        messages.info(request, "Nothing more of that kind is open for you at the moment.")
        return go_to(request, reverse("work"))
    return go_to(request, page_of(following))


@require_POST
@require_labeler
def next_task(request: LabelerRequest, kind: str) -> HttpResponseBase:
    """Lease the next task and open it; without one, back to the start page, which says what is waiting."""
    try:
        assignment = claim(request, kind)
    except LabelingError as error:
        if error.reason_code == "guideline_changed":
            return go_to(request, reverse("guideline-changes", args=[error.fields["guideline"]]))
        messages.error(request, error.message)
        return go_to(request, reverse("work"))
    if assignment is None:
        messages.info(request, "Nothing of that kind is open for you at the moment.")
        return go_to(request, reverse("work"))
    return go_to(request, page_of(assignment))


@require_POST
@require_labeler
def ahead(request: LabelerRequest, kind: str) -> HttpResponse:
    """Prepare the next task while this one is at work, as far as the setting allows."""
    try:
        assignments.prepare_next(labeler=request.labeler, kind=kind)
    except LabelingError:
        return HttpResponse(status=204)  # asking for the next task will say why
    return HttpResponse(status=204)


@require_POST
@require_labeler
def keep(request: LabelerRequest, code: UUID) -> HttpResponse:
    """End a revision without a change."""
    assignment = revisions.keep_as_submitted(assignment=own_assignment(request, code))
    messages.success(request, "What you had submitted stands.")
    return lead_on(request, assignment)


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
            messages.success(request, PASSED_ON[form.cleaned_data["reason"]])
            return after_skip(request, assignment, form.cleaned_data["reason"])
    elif assignment.reopened_at is not None or not is_workable(assignment):
        return lead_on(request, assignment)
    page = "assignments/skip.html#skip-form" if request.htmx else "assignments/skip.html"
    context = {**task_context(assignment), "skip_form": form, "page_url": page_of(assignment)}
    return render(request, page, context, status=422 if form.is_bound else 200)
