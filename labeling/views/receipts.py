"""Proof of work: the receipt of a submission, and all of one's own."""

from uuid import UUID

from django.core.paginator import Paginator
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render

from labeling.models import Labeler, TaskKind
from labeling.rules import workload
from labeling.views.access import LabelerRequest, require_labeler

RECEIPTS_A_PAGE = 25


@require_labeler
def receipt_list(request: LabelerRequest) -> HttpResponseBase:
    """List the labeler's own receipts, newest first."""
    receipts = request.labeler.receipts.select_related("assignment__task__prompt")
    page = Paginator(receipts, RECEIPTS_A_PAGE).get_page(request.GET.get("page"))
    return render(request, "receipts/list.html", {"page": page})


@require_labeler
def receipt_detail(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Show one receipt, and the next task beside it."""
    receipts = request.labeler.receipts.select_related("assignment__task__prompt")
    receipt = get_object_or_404(receipts, code=code)
    kind = TaskKind(receipt.assignment.kind)
    context = {
        "receipt": receipt,
        "assignment": receipt.assignment,
        "kind": kind,
        "open": workload.count_open(request.labeler, kind),
        "is_active": request.labeler.status == Labeler.Status.ACTIVE,
    }
    return render(request, "receipts/detail.html", context)
