"""What labelers flagged, and what staff answer."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from labeling.forms.reviews import AnswerForm, FlagFilterForm
from labeling.models import Ranking, ResponseReport, Skip
from labeling.rules import flags
from labeling.rules.access import Action
from labeling.views.access import PageRequest, require
from labeling.views.keyset import keyset_page
from labeling.views.refusals import refusals_said
from labeling.views.reviews import review_places

ROWS_A_PAGE = 25


@require(Action.REVIEW)
def flag_list(request: PageRequest) -> HttpResponseBase:
    """List flags of one source: the open ones, or those with their answers."""
    form = FlagFilterForm(request.GET or None)
    data = form.cleaned_data if form.is_valid() else {}
    source, is_open = data.get("source") or "skips", data.get("state") != "answered"
    rows = {
        "skips": flags.skips_to_answer,
        "reports": flags.reports_to_answer,
        "notes": flags.notes_to_answer,
    }[source](is_open=is_open)
    context = {
        "form": form,
        "source": source,
        "is_open": is_open,
        "page": keyset_page(request, rows, key="-id", size=ROWS_A_PAGE),
        "counts": [(key, label, flags.count_open()[key]) for key, label in flags.SOURCES.items()],
        **review_places(request),
    }
    return render(request, "flags/list.html", context)


@require_POST
@require(Action.REVIEW)
def flag_answer(request: PageRequest, source: str, number: str) -> HttpResponseBase:
    """Answer one flag: a skip by its assignment's code, a report or a ranking by its own."""
    form = AnswerForm(request.POST)
    if not form.is_valid():
        messages.error(request, "The answer is too long, or says neither answered nor no action.")
        return back_to(source)
    text, outcome = form.cleaned_data["text"], form.cleaned_data["outcome"]
    try:
        code = UUID(number)
    except ValueError as error:
        raise Http404 from error
    with refusals_said(request):
        if source == "skips":
            skip = get_object_or_404(Skip.objects.select_related("assignment"), assignment__code=code)
            flags.answer_skip(skip=skip, by=request.user, text=text, outcome=outcome)
        elif source == "reports":
            report = get_object_or_404(ResponseReport, code=code)
            flags.answer_report(report=report, by=request.user, text=text, outcome=outcome)
        elif source == "notes":
            ranking = get_object_or_404(Ranking, code=code)
            flags.answer_note(ranking=ranking, by=request.user, text=text, outcome=outcome)
        else:
            raise Http404
        messages.success(request, "Answered; the labeler finds it in their history.")
    return back_to(source)


def back_to(source: str) -> HttpResponseBase:
    """Go back to the list an answer was given on."""
    return redirect(f"{reverse('flag-list')}?source={source if source in flags.SOURCES else 'skips'}")
