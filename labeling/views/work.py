"""The labelers' start page, and the preview of what they write."""

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_POST

from labeling.models import Guideline, Labeler
from labeling.rules import workload
from labeling.templatetags.texts import markdown
from labeling.views.access import LabelerRequest, require_labeler
from labeling.views.assignments import page_of

MAX_PREVIEW_CHARACTERS = 100_000


@require_labeler
def home(request: LabelerRequest) -> HttpResponseBase:
    """Show the next task of each kind, what is waiting, and today's work in the labeler's time zone."""
    labeler = request.labeler
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    waiting = workload.waiting_work(labeler)
    context = {
        "labeler": labeler,
        "waiting": [{"work": work, "held_url": page_of(work.held) if work.held else ""} for work in waiting],
        "is_active": labeler.status == Labeler.Status.ACTIVE,
        "progress": workload.progress_since(labeler, midnight),
        "receipts": labeler.receipts.select_related("assignment__task__prompt")[:5],
        "guidelines": [g for work in waiting if (g := Guideline.objects.current(work.kind))],
    }
    return render(request, "work/home.html", context)


@require_POST
@require_labeler
def preview(request: LabelerRequest) -> HttpResponse:
    """Render what somebody is writing, as safely as every other text."""
    return HttpResponse(markdown(request.POST.get("text", "")[:MAX_PREVIEW_CHARACTERS]))
