"""Runs: listed, started, watched, cancelled, tried again."""

import tomllib
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import InvalidInput, LabelingError
from labeling.rules.access import Action, can
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from training.forms.rounds import configs_of
from training.forms.runs import RunForm, ordered_sections, section_title
from training.models import Run, RunState, Stage
from training.rlhf.config import describe
from training.rules import metrics, run_report, run_resources, runs
from training.rules.human_line import ACCURACIES, ceiling_of, human_line
from training.rules.over_optimisation import over_optimisation_of
from training.tasks import enqueue_run

TABLE_ROWS = 12


@require(Action.SEE_MODELS)
def run_list(request: PageRequest) -> HttpResponseBase:
    """List runs, newest first; unfinished ones move by themselves."""
    rows = Run.objects.select_related("created_by", "model")
    stage, state = request.GET.get("stage", ""), request.GET.get("state", "")
    if stage in Stage.values:
        rows = rows.filter(stage=stage)
    if state in RunState.values:
        rows = rows.filter(state=state)
    page = one_page(request, rows)
    context = {
        "page": page,
        "stage": stage,
        "state": state,
        "stages": Stage.choices,
        "states": RunState.choices,
        "is_moving": any(not run.is_ended for run in page),
        "may_train": can(request.user, Action.RUN_TRAINING),
    }
    template = "runs/list.html#run-table" if request.htmx else "runs/list.html"
    return render(request, template, context)


@require(Action.RUN_TRAINING)
def run_create(request: PageRequest, stage: str) -> HttpResponseBase:
    """Start a run: every setting of the stage, wrong ones marked where they stand."""
    if stage not in Stage.values:
        raise Http404
    shipped = request.GET.get("config", "")
    shipped = shipped if shipped in configs_of(stage) else ""
    source = _named_run(request.GET.get("from", ""), stage)
    form = RunForm(stage, request.POST or None, shipped=shipped, source=source)
    if form.is_bound:
        run = form.save(by=request.user)
        if run is not None:
            enqueue_run(run)
            messages.success(request, f"{run} is queued.")
            return redirect("run-detail", run.code)
    context = {
        "form": form,
        "stage": Stage(stage),
        "stages": Stage.choices,
        "configs": configs_of(stage),
        "shipped": shipped,
        "source": source,
    }
    return render(request, "runs/create.html", context, status=422 if form.is_bound else 200)


@require(Action.SEE_MODELS)
def run_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a run as it goes: progress, curves with tables, samples, log, settings beside the paper's."""
    rows = Run.objects.select_related("created_by", "batch", "model", "cloned_from")
    run = get_object_or_404(rows, code=code)
    context = {
        "run": run,
        "may_train": can(request.user, Action.RUN_TRAINING),
        "may_export": can(request.user, Action.EXPORT),
        "elapsed": metrics.elapsed_seconds(run),
    }
    if request.htmx and request.GET.get("part") == "live":
        return render(request, "runs/detail.html#live", context)
    context |= {
        "charts": metrics.charts(run, TABLE_ROWS),
        "resources": run_resources.resource_charts(run),
        "ceiling": ceiling_of(run),
        "accuracies": ACCURACIES,
    }
    if request.htmx and request.GET.get("part") == "charts":
        return render(request, "runs/detail.html#charts", context)
    context |= {
        "plots": run_report.plots(run),
        "human_line": human_line(run),
        "alarm": over_optimisation_of(getattr(run, "model", None)),
        "inputs": run.inputs.select_related("dataset", "model"),
        "settings": settings_of(run),
    }
    return render(request, "runs/detail.html", context)


@require(Action.SEE_MODELS)
def run_points(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Give the curves of a run, thinned to what a chart can show."""
    run = get_object_or_404(Run, code=code)
    plots = run_report.lines_of(run)
    ceiling = ceiling_of(run)
    known = ceiling is not None and ceiling.agreement.value is not None
    levels = dict.fromkeys(ACCURACIES, ceiling.agreement.value) if ceiling and known else {}
    curves = metrics.curves(run) | run_resources.lines_of(run)
    return JsonResponse({"state": run.state, "metrics": curves, "plots": plots, "levels": levels})


@require_POST
@require(Action.RUN_TRAINING)
def run_cancel(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Cancel a run; it saves before it ends."""
    run = get_object_or_404(Run, code=code)
    try:
        runs.cancel_run(run=run, by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The run was cancelled." if run.is_ended else "The run will save and stop.")
    return redirect("run-detail", code)


@require_POST
@require(Action.RUN_TRAINING)
def run_retry(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Queue a run again; it goes on from its newest checkpoint."""
    run = get_object_or_404(Run, code=code)
    try:
        runs.retry_run(run=run, by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
    else:
        enqueue_run(run)
        messages.success(
            request, "The run is queued again and goes on from its newest checkpoint, if it has one."
        )
    return redirect("run-detail", code)


@require_POST
@require(Action.RUN_TRAINING)
def run_priority(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Let a queued run go before others or after them."""
    run = get_object_or_404(Run, code=code)
    try:
        runs.set_priority(run=run, priority=_whole_number(request.POST.get("priority", "")), by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"{run} now has priority {run.priority}.")
    return redirect("run-detail", code)


@require(Action.SEE_MODELS)
def run_points_file(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Give every point of a run as CSV, as it is read from the database."""
    run = get_object_or_404(Run, code=code)
    response = StreamingHttpResponse(metrics.points_as_csv(run), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="run-{run.pk}.csv"'
    return response


def _named_run(code: str, stage: str) -> Run | None:
    """Return the run of the stage that an address names, None where it names none."""
    try:
        return Run.objects.filter(stage=stage, code=UUID(code)).first()
    except ValueError:
        return None


def _whole_number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f'"{text}" is no whole number.', fields={"priority": "a whole number"}) from None


def settings_of(run: Run) -> list[dict[str, Any]]:
    """Return the settings of a run with their defaults and the paper's values, in the form's sections."""
    mapping = tomllib.loads(run.config)
    sections: dict[str, list[dict[str, Any]]] = {}
    for field in describe(run.stage):
        if field.key == "stage" or field.section == "inputs":
            continue  # what it reads stands above
        section, _, last = field.key.rpartition(".")
        table = mapping.get(section, {}) if section else mapping
        value, default = table.get(last), field.default
        plain = list(default) if isinstance(default, tuple) else default
        sections.setdefault(section, []).append(
            {
                "name": last,
                "value": value,
                "is_changed": value != plain,
                "default": plain,
                "paper": field.paper,
                "help": field.help,
            }
        )
    return [
        {
            "title": section_title(run.stage, section),
            "is_own": section == run.stage,
            "rows": sections[section],
            "changed": sum(row["is_changed"] for row in sections[section]),
        }
        for section in ordered_sections(run.stage)
        if section in sections
    ]
