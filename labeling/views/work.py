"""The labelers' start page, their time and choices, and help with what they write."""

from django.contrib import messages
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from labeling.errors import InvalidInput
from labeling.forms.preferences import PreferencesForm
from labeling.models import Guideline, Labeler
from labeling.rules import (
    eligibility,
    examples,
    feedback,
    history,
    preferences,
    questions,
    skip_attention,
    skips,
    work_time,
    workload,
)
from labeling.rules.writing_hints import hints_about
from labeling.templatetags.texts import markdown
from labeling.views.access import LabelerRequest, require_labeler
from labeling.views.assignments import page_of
from labeling.views.lists import one_page

MAX_PREVIEW_CHARACTERS = 100_000
DAYS_SHOWN = 28
LATEST = 5
EXAMPLES_A_PAGE = 10


@require_labeler
def home(request: LabelerRequest) -> HttpResponseBase:
    """Show the next task of each kind, what is waiting, and today's work in the labeler's time zone."""
    labeler = request.labeler
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    waiting = workload.waiting_work(labeler)
    context = {
        "labeler": labeler,
        "waiting": [
            {
                "work": work,
                "held_url": page_of(work.held) if work.held else "",
                "to_read": None if work.held else eligibility.guideline_to_read(labeler, work.kind),
            }
            for work in waiting
        ],
        "has_examples": examples.may_see_examples(labeler),
        "is_active": labeler.status == Labeler.Status.ACTIVE,
        "progress": workload.progress_since(labeler, midnight),
        "skip_rate": skips.skip_rate(labeler),
        "skips_over": skip_attention.labeler_needs_attention(labeler),
        "offers_opt_out": skips.should_offer_opt_out(labeler)
        and not preferences.preferences_of(labeler).avoids_distressing,
        "answers": questions.unread(labeler)[:LATEST],
        "returned": history.returned_to(labeler)[:LATEST],
        "receipts": history.with_reviews(history.receipts_of(labeler)[:LATEST]),
        "guidelines": [g for work in waiting if (g := Guideline.objects.current(work.kind))],
    }
    return render(request, "work/home.html", context)


@require_labeler
def time(request: LabelerRequest) -> HttpResponseBase:
    """Show the labeler's time at work, by day in their time zone and by kind."""
    days = work_time.days_of(request.labeler, days=DAYS_SHOWN)
    context = {
        "days": days,
        "total": work_time.total_of(days),
        "days_shown": DAYS_SHOWN,
        "screening_seconds": work_time.screening_seconds(request.labeler),
        "skip_rate": skips.skip_rate(request.labeler),
    }
    return render(request, "work/time.html", context)


@require_labeler
def differences(request: LabelerRequest) -> HttpResponseBase:
    """Show where others saw the labeler's latest rankings otherwise, in batches for learning."""
    context = {"differences": feedback.differences(request.labeler), "days": feedback.DAYS}
    return render(request, "work/differences.html", context)


@require_labeler
def example_list(request: LabelerRequest) -> HttpResponseBase:
    """Show approved demonstrations to those who write them."""
    if not examples.may_see_examples(request.labeler):
        messages.info(request, "Examples are for those who write demonstrations.")
        return redirect("work")
    words = request.GET.get("q", "").strip()[:200]
    page = one_page(request, examples.examples_for(request.labeler, words=words), EXAMPLES_A_PAGE)
    context = {"page": page, "words": words, "least_grade": examples.LEAST_GRADE}
    return render(request, "work/examples.html", context)


@require_labeler
def choices(request: LabelerRequest) -> HttpResponseBase:
    """Let a labeler opt out of distressing material and set the reminder of breaks."""
    chosen = preferences.preferences_of(request.labeler)
    form = PreferencesForm(
        request.POST if request.method == "POST" else None,
        initial={
            "avoids_distressing": chosen.avoids_distressing,
            "break_after_minutes": chosen.break_after_minutes,
        },
    )
    if form.is_valid():
        try:
            preferences.choose(labeler=request.labeler, **form.cleaned_data)
        except InvalidInput as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Your choices hold from the next task on.")
            return redirect("work-preferences")
    context = {"form": form, "harmful": skips.harmful_skips(request.labeler)}
    return render(request, "work/preferences.html", context, status=422 if form.is_bound else 200)


@require_POST
@require_labeler
def preview(request: LabelerRequest) -> HttpResponse:
    """Render what somebody is writing, as safely as every other text."""
    return HttpResponse(markdown(request.POST.get("text", "")[:MAX_PREVIEW_CHARACTERS]))


@require_POST
@require_labeler
def hints(request: LabelerRequest) -> HttpResponse:
    """Say what may be amiss with what somebody is writing: its length, its language."""
    text = request.POST.get("text", "")[:MAX_PREVIEW_CHARACTERS]
    found = hints_about(text, prompt_language=request.POST.get("prompt_language", "")[:8])
    return render(request, "work/hints.html", {"hints": found})
