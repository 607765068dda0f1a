"""Lineage from the other end: what saw a prompt, what a labeler's labels went into."""

from uuid import UUID

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render

from labeling.models import Labeler, Prompt
from labeling.rules.access import Action, can
from labeling.views.access import LabelerRequest, PageRequest, require, require_labeler
from labeling.views.lists import one_page
from training.rules.round_outcomes import outcomes_for, rounds_of
from training.rules.seen_by import SeenBy, labeler_seen_by, prompt_seen_by

DATASETS_SHOWN = 50
RUNS_SHOWN = 50
ROUNDS_A_PAGE = 8


@require(Action.SEE_LINEAGE)
def prompt_models(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show every dataset, run and model that saw a prompt."""
    prompt = get_object_or_404(Prompt, code=code)
    return seen_page(request, prompt_seen_by(prompt), {"prompt": prompt})


@require(Action.SEE_LINEAGE)
def labeler_models(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show every dataset, run and model behind which a labeler's labels stand."""
    labeler = get_object_or_404(Labeler, code=code)
    return seen_page(request, labeler_seen_by(labeler), {"labeler": labeler})


def seen_page(request: PageRequest, seen: SeenBy, context: dict[str, object]) -> HttpResponse:
    direct = {model.pk for model in seen.direct}
    context |= {
        "seen": seen,
        "datasets": [
            {"row": row, "records": seen.records.get(row.pk)} for row in seen.datasets[:DATASETS_SHOWN]
        ],
        "more_datasets": max(0, len(seen.datasets) - DATASETS_SHOWN),
        "runs": seen.runs[:RUNS_SHOWN],
        "more_runs": max(0, len(seen.runs) - RUNS_SHOWN),
        "page": one_page(request, seen.models),
        "direct": direct,
        "may_see_models": can(request.user, Action.SEE_MODELS),
        "may_export": can(request.user, Action.EXPORT),
    }
    return render(request, "lineage/seen_by.html", context)


@require_labeler
def work_rounds(request: LabelerRequest) -> HttpResponseBase:
    """Show a labeler which rounds their labels went into, and how each did."""
    page = one_page(request, rounds_of(request.labeler), ROUNDS_A_PAGE)
    context = {"page": page, "outcomes": outcomes_for(request.labeler, list(page))}
    return render(request, "lineage/rounds.html", context)
