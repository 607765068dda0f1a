"""Prompts and the record of how they came in."""

from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, render

from labeling.forms.prompts import PromptFilterForm
from labeling.models import Intake, Prompt
from labeling.rules import prompt_judgements
from labeling.rules.access import Action, can, sees_policies
from labeling.rules.erasure import ERASED
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page

REFUSALS_A_PAGE = 100


@require(Action.SEE_PROMPTS)
def prompt_list(request: PageRequest) -> HttpResponseBase:
    """List prompts, narrowed by split, source, category, language, state and words."""
    form = PromptFilterForm(request.GET or None)
    context = {
        "form": form,
        "page": one_page(request, filtered(form)),
        "is_filtered": any(value for name, value in request.GET.items() if name != "page"),
        "latest_intakes": Intake.objects.all()[:3],
        "may_publish_notices": can(request.user, Action.PUBLISH_TERMS),
    }
    return render(request, "prompts/list.html", context)


def filtered(form: PromptFilterForm) -> QuerySet[Prompt]:
    """Return the prompts that a filter leaves."""
    rows = Prompt.objects.order_by("-id").defer("pii_spans", "tags")
    data = form.cleaned_data if form.is_valid() else {}
    for name in ("split", "source", "category", "language"):
        if data.get(name):
            rows = rows.filter(**{name: data[name]})
    if data.get("state") == "usable":
        rows = rows.filter(held_reason="")
    elif data.get("state") == "held":
        rows = rows.exclude(held_reason="")
    elif data.get("state") == "pii":
        rows = rows.filter(has_pii=True)
    if data.get("q"):
        rows = rows.filter(text__icontains=data["q"].strip())
    return rows


@require(Action.SEE_PROMPTS)
def prompt_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a prompt, what intake found in it, its responses and the batches it stands in."""
    prompt = get_object_or_404(Prompt.objects.select_related("intake", "parent"), code=code)
    context = {
        "prompt": prompt,
        "responses": prompt.responses.select_related("policy").order_by("policy__name", "index"),
        "tasks": prompt.tasks.select_related("batch"),
        "sees_policies": sees_policies(request.user),
        "may_erase": can(request.user, Action.MANAGE_LABELERS) and prompt.held_reason != ERASED,
        "tags": sorted(prompt.tags.items()),
        "said": prompt_judgements.said_about(prompt),
        "found": [
            {"kind": str(kind).replace("_", " "), "text": prompt.text[start:end]}
            for start, end, kind in (span for span in prompt.pii_spans if len(span) == 3)
        ],
    }
    return render(request, "prompts/detail.html", context)


@require(Action.SEE_PROMPTS)
def intake_list(request: PageRequest) -> HttpResponseBase:
    """List intakes, newest first."""
    return render(request, "intakes/list.html", {"page": one_page(request, Intake.objects.all())})


@require(Action.SEE_PROMPTS)
def intake_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show what an intake read, took in, held and refused, and each refusal by its line."""
    intake = get_object_or_404(Intake, code=code)
    counts = sorted(intake.counts.items(), key=lambda item: -int(item[1]))
    context = {
        "intake": intake,
        "counts": [{"name": name.replace("_", " "), "n": n} for name, n in counts],
        "page": one_page(request, intake.refusals.all(), REFUSALS_A_PAGE),
    }
    return render(request, "intakes/detail.html", context)
