"""Read a guideline, and acknowledge one that changed."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.models import Guideline
from labeling.rules import guidelines
from labeling.rules.text_changes import changes_between, folded, unwrapped
from labeling.views.access import LabelerRequest, PageRequest, require, require_labeler


@require()
def guideline_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show one version of a guideline to anybody who is logged in."""
    return render(request, "guidelines/detail.html", {"guideline": get_object_or_404(Guideline, code=code)})


@require_labeler
def guideline_changes(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Show what changed since the version this labeler knows, to be acknowledged before the next task."""
    guideline = get_object_or_404(Guideline, code=code)
    before = guidelines.known_before(guideline=guideline, labeler=request.labeler)
    context = {
        "guideline": guideline,
        "before": before,
        "parts": folded(changes_between(unwrapped(before.body), unwrapped(guideline.body))) if before else [],
        "acknowledged": guideline.acknowledgements.filter(labeler=request.labeler).first(),
    }
    return render(request, "guidelines/changes.html", context)


@require_POST
@require_labeler
def guideline_acknowledge(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Record that the labeler has read this version, and lead back to work."""
    guideline = get_object_or_404(Guideline, code=code)
    guidelines.acknowledge(guideline=guideline, labeler=request.labeler)
    messages.success(request, f"Thank you. You now work by version {guideline.version}.")
    return redirect("work")
