"""Proof of work: the receipt of a submission, all of one's own, and second thoughts about the last."""

from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import Conflict
from labeling.models import Labeler, Receipt, TaskKind
from labeling.rules import feedback, flags, history, revisions, workload
from labeling.views.access import LabelerRequest, require_labeler
from labeling.views.assignments import own_assignment, page_of

RECEIPTS_A_PAGE = 25


@require_labeler
def receipt_list(request: LabelerRequest) -> HttpResponseBase:
    """List the labeler's own receipts, newest first, with what became of each."""
    page = Paginator(history.receipts_of(request.labeler), RECEIPTS_A_PAGE).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "receipts": history.with_reviews(page),
        "shows_review": True,
        "answers": flags.answers_for(request.labeler) if page.number == 1 else (),
    }
    return render(request, "receipts/list.html", context)


@require_labeler
def receipt_detail(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Show one receipt with what was submitted and what became of it, and the next task beside it."""
    receipt = own_receipt(request, code)
    kind = TaskKind(receipt.assignment.kind)
    context = {
        "receipt": receipt,
        "assignment": receipt.assignment,
        "kind": kind,
        "content": history.content_of(receipt),
        "feedback": feedback.feedback_on(receipt.assignment),
        "outcome": history.with_reviews([receipt])[0],
        "is_returned": history.returned_to(request.labeler).filter(pk=receipt.pk).exists(),
        "revisions": receipt.assignment.receipts.exclude(pk=receipt.pk).order_by("revision"),
        "may_undo": revisions.may_undo(receipt),
        "undo_until": revisions.undo_until(receipt),
        "may_reopen": revisions.may_reopen(receipt),
        "reopen_until": revisions.reopen_until(receipt),
        "open": workload.count_open(request.labeler, kind),
        "is_active": request.labeler.status == Labeler.Status.ACTIVE,
    }
    return render(request, "receipts/detail.html", context)


@require_POST
@require_labeler
def receipt_undo(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Take a submission back: its task is in hand again."""
    return second_thought(request, code, is_undo=True)


@require_POST
@require_labeler
def receipt_reopen(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Reopen the last submission, to revise it."""
    return second_thought(request, code, is_undo=False)


def second_thought(request: LabelerRequest, code: UUID, *, is_undo: bool) -> HttpResponseBase:
    receipt = own_receipt(request, code)
    change = revisions.undo_submission if is_undo else revisions.reopen_submission
    try:
        assignment = change(receipt=receipt)
    except Conflict as error:
        messages.warning(request, error.message)
        return redirect("receipt-detail", code)
    return redirect(page_of(own_assignment(request, assignment.code)))


def own_receipt(request: LabelerRequest, code: UUID) -> Receipt:
    """Return a receipt of this labeler's; 404 for those of others."""
    return get_object_or_404(history.receipts_of(request.labeler), code=code)
