"""Runs side by side: config, inputs, curves and final numbers."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Prefetch, QuerySet
from django.http import HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render

from labeling.rules.access import Action
from labeling.views.access import PageRequest, require
from training.models import Dataset, Model, Run
from training.rules.metrics import charts_of
from training.rules.run_comparison import MOST_RUNS, compare_runs, joint_curves

READ = (
    Prefetch("inputs__dataset", Dataset.objects.defer("manifest", "statistics")),
    Prefetch("inputs__model", Model.objects.defer("facts")),
)


@require(Action.SEE_MODELS)
def run_compare(request: PageRequest) -> HttpResponseBase:
    """Show where two to five runs differ and how they went."""
    chosen = _chosen(request, Run.objects.select_related("model").prefetch_related(*READ))
    if len(chosen) < 2:
        messages.error(request, f"Choose two to {MOST_RUNS} runs to compare.")
        return redirect("run-list")
    if len(chosen) > MOST_RUNS:
        messages.warning(request, f"Only the first {MOST_RUNS} of {len(chosen)} runs are shown.")
        chosen = chosen[:MOST_RUNS]
    charts = charts_of(chosen, 2)
    lasts = [{chart.name: chart for chart in charts[run.pk]} for run in chosen]
    names = sorted({name for found in lasts for name in found})
    figures = [
        {
            "name": name,
            "charts": [(run, found.get(name)) for run, found in zip(chosen, lasts, strict=True)],
        }
        for name in names
    ]
    context = {
        "comparison": compare_runs(chosen),
        "figures": figures,
        "query": request.GET.urlencode(),
    }
    return render(request, "runs/compare.html", context)


@require(Action.SEE_MODELS)
def run_compare_points(request: PageRequest) -> HttpResponseBase:
    """Give the curves of several runs, each metric with a list of points for each run."""
    chosen = _chosen(request, Run.objects.only("pk", "code"))
    return JsonResponse({"curves": joint_curves(chosen[:MOST_RUNS])})


def _chosen(request: PageRequest, rows: QuerySet[Run]) -> list[Run]:
    """Return the runs that the address names, in its order; what names no run is passed over."""
    codes = []
    for text in request.GET.getlist("run"):
        try:
            codes.append(UUID(text))
        except ValueError:
            continue
    found = {run.code: run for run in rows.filter(code__in=codes)}
    return [found[code] for code in dict.fromkeys(codes) if code in found]
