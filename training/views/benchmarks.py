"""Public evaluation sets: imported, put to policies, a policy beside what it was made from."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render

from labeling.errors import LabelingError
from labeling.rules.access import Action, can
from labeling.rules.csv_tables import csv_lines
from labeling.rules.texts import counted
from labeling.views.access import PageRequest, require
from training.forms.benchmarks import ImportSetForm, OrderForm
from training.models import Model, Run
from training.rlhf.config import ConfigError
from training.rules.benchmark_figures import (
    alignment_tax,
    ancestor_keys,
    benchmark_runs,
    label_of,
    table_rows,
)
from training.rules.benchmark_files import import_benchmark_file, keep_file
from training.rules.benchmarks import benchmark_datasets, order_benchmarks
from training.rules.harness_tasks import find_tasks
from training.tasks import enqueue_run

RUNS_SHOWN = 30


@require(Action.SEE_MODELS)
def benchmark_list(request: PageRequest) -> HttpResponseBase:
    """Show the alignment tax of a policy, the newest results, and the sets there are."""
    measured = Model.objects.filter(used_by__run__benchmark_results__isnull=False, policy__isnull=False)
    models = list(measured.distinct().order_by("-pk"))
    lines = ancestor_keys(models)
    after = _named(request.GET.get("policy", ""), models) or _with_ancestor(models, lines)
    behind = {model.pk: model for model in models}
    befores = [behind[key] for key in lines[after.pk] if key in behind] if after else []
    others = [model for model in models if model not in befores and model != after]
    before = _named(request.GET.get("before", ""), models) or next(iter(befores), None)
    found = alignment_tax(after, before) if after and before and after != before else []
    if request.GET.get("format") == "csv":
        header, *rows = table_rows(found)
        csv = csv_lines([str(cell) for cell in header], rows)
        response = StreamingHttpResponse(csv, content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = 'attachment; filename="alignment-tax.csv"'
        return response
    context = {
        "models": models,
        "after": after,
        "before": before,
        "befores": [*befores, *others],
        "found": found,
        "lost": [tax for tax in found if tax.verdict == "worse"],
        "rows": [_row(run) for run in benchmark_runs().order_by("-pk")[:RUNS_SHOWN]],
        "datasets": benchmark_datasets(),
        "has_tasks": bool(find_tasks()),
        "may_train": can(request.user, Action.RUN_TRAINING),
    }
    return render(request, "benchmarks/list.html", context)


@require(Action.RUN_TRAINING)
def benchmark_order(request: PageRequest) -> HttpResponseBase:
    """Queue a run for each chosen policy and set."""
    form = OrderForm(request.POST or None, initial={"models": request.GET.getlist("policy")})
    if form.is_valid():
        data = form.cleaned_data
        try:
            runs = order_benchmarks(
                models=list(data["models"]),
                datasets=list(data["datasets"]),
                tasks=data.get("tasks", ()),
                settings=form.settings(),
                classifier=data["classifier"],
                by=request.user,
            )
        except LabelingError as error:
            form.add_error(next((name for name in error.fields if name in form.fields), None), error.message)
        except ConfigError as error:
            form.add_error(None, " ".join(error.problems))
        else:
            for run in runs:
                enqueue_run(run)
            runs_are = "benchmark run is" if len(runs) == 1 else "benchmark runs are"
            messages.success(request, f"{len(runs)} {runs_are} queued.")
            return redirect("benchmark-list")
    return render(request, "benchmarks/order.html", {"form": form}, status=422 if form.is_bound else 200)


@require(Action.RUN_TRAINING)
def benchmark_import(request: PageRequest) -> HttpResponseBase:
    """Take a file of a public set."""
    form = ImportSetForm(request.POST or None, request.FILES or None)
    if form.is_valid():
        data = form.cleaned_data
        with tempfile.TemporaryDirectory() as folder:
            try:
                dataset, refused = import_benchmark_file(
                    key=data["set"],
                    path=_kept(data["file"], Path(folder) / "questions"),
                    examples=_kept(data["few_shot"], Path(folder) / "examples") if data["few_shot"] else None,
                    form=data["form"],
                    name=data["name"],
                    license=data["license"],
                    by=request.user,
                )
            except LabelingError as error:
                field = next((name for name in error.fields if name in form.fields), None)
                form.add_error(field, error.message)
            else:
                verb = "was" if len(refused) == 1 else "were"
                more = f" {counted(len(refused), 'line')} {verb} refused: {refused[0]}." if refused else ""
                questions = counted(dataset.counts["test"], "question")
                messages.success(request, f"{dataset.name} has {questions}.{more}")
                return redirect("benchmark-list")
    return render(request, "benchmarks/import.html", {"form": form}, status=422 if form.is_bound else 200)


def _row(run: Run) -> dict[str, Any]:
    inputs = {given.name: given.dataset or given.model for given in run.inputs.all()}
    results = [{"label": label_of(row.metric), "row": row} for row in run.benchmark_results.all()]
    return {"run": run, "policy": inputs.get("policy"), "dataset": inputs.get("dataset"), "results": results}


def _named(code: str, models: list[Model]) -> Model | None:
    return next((model for model in models if str(model.code) == code), None)


def _with_ancestor(models: list[Model], lines: Mapping[int, list[int]]) -> Model | None:
    """Return the newest policy that can be compared with an ancestor, else the newest."""
    known = {model.pk for model in models}
    return next((m for m in models if known & set(lines[m.pk])), models[0] if models else None)


def _kept(upload: "UploadedFile[Any]", folder: Path) -> Path:
    return keep_file(folder=folder, name=str(upload.name), pieces=upload.chunks())
