"""Evaluations: two policies compared by labelers."""

from collections import Counter
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from labeling.errors import LabelingError
from labeling.models import Cohort, Policy, TaskKind
from labeling.rules.access import Action, can
from labeling.rules.batches import batch_progress
from labeling.rules.csv_tables import csv_lines
from labeling.rules.form_texts import FLAGS
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from training.forms.models import EvaluationForm
from training.forms.rounds import configs_of
from training.models import Evaluation, Run
from training.rlhf.config import ConfigError, shipped_config, to_mapping
from training.rules.evaluation_figures import (
    DISTRIBUTIONS,
    Judged,
    PolicyFigures,
    figures_against,
    judged_policies,
    left_out,
    shown_policies,
    table_rows,
)
from training.rules.evaluation_panels import crossed_panels, flag_panel, rating_panel, win_rate_panel
from training.rules.evaluations import (
    splits_of,
    start_evaluation,
    win_rate,
    win_rates,
    win_rates_by_cohort,
)
from training.rules.sampling import choose_prompts
from training.tasks import enqueue_run

ROWS_A_PAGE = 20
FLAG_LABELS = {flag["key"]: flag["label"] for flag in FLAGS}


@require(Action.SEE_MODELS)
def evaluation_list(request: PageRequest) -> HttpResponseBase:
    """List evaluations with their win rates."""
    page = one_page(request, Evaluation.objects.select_related("policy", "baseline", "batch"), ROWS_A_PAGE)
    rates = win_rates(page)
    rows = [{"evaluation": row, "rate": rates[row.pk]} for row in page]
    context = {"page": page, "rows": rows, "may_train": can(request.user, Action.RUN_TRAINING)}
    return render(request, "evaluations/list.html", context)


@require(Action.RUN_TRAINING)
def evaluation_create(request: PageRequest) -> HttpResponseBase:
    """Let two policies answer the same prompts, and labelers compare them."""
    initial = {"policy": request.GET.get("policy", "")}
    form = EvaluationForm(request.POST or None, configs=configs_of("sample"), initial=initial)
    if form.is_valid():
        try:
            evaluation, runs = begin(request, form)
        except LabelingError as error:
            field = next((name for name in error.fields if name in form.fields), None)
            form.add_error(field, error.message)
        except ConfigError as error:
            form.add_error(None, " ".join(error.problems))
        else:
            for run in runs:
                enqueue_run(run)
            messages.success(request, "The responses are being sampled; then the batch opens by itself.")
            return redirect("evaluation-detail", evaluation.code)
    return render(request, "evaluations/create.html", {"form": form}, status=422 if form.is_bound else 200)


@transaction.atomic
def begin(request: PageRequest, form: EvaluationForm) -> tuple[Evaluation, list[Run]]:
    """Start what the form describes; all or nothing."""
    data: dict[str, Any] = form.cleaned_data
    return start_evaluation(
        policy=data["policy"],
        baseline=data["baseline"],
        prompts=choose_prompts(split=data["split"], count=data["prompts"], used_in=TaskKind.EVALUATION),
        cohorts=data["cohorts"],
        overlap=data["overlap"],
        temperature=data["temperature"],
        config=to_mapping(shipped_config(data["config"])) if data["config"] else {},
        by=request.user,
    )


@require(Action.SEE_MODELS)
def evaluation_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show the win rate with its interval, over all and by cohort, and how far the batch is."""
    rows = Evaluation.objects.select_related("policy__model", "baseline__model", "batch", "created_by")
    evaluation = get_object_or_404(rows, code=code)
    policy, baseline, batch = evaluation.policy, evaluation.baseline, evaluation.batch
    by_cohort = win_rates_by_cohort(policy=policy, baseline=baseline, batch=batch)
    context = {
        "evaluation": evaluation,
        "rate": win_rate(policy=policy, baseline=baseline, batch=batch),
        "cohorts": [{"label": Cohort(key).label, "rate": rate} for key, rate in by_cohort.items()],
        "splits": splits_of(evaluation),
        "progress": batch_progress(batch),
        "runs": batch.sample_runs.order_by("pk"),
        "rounds": evaluation.rounds.all(),
    }
    return render(request, "evaluations/detail.html", context)


@require(Action.SEE_MODELS)
def evaluation_figures(request: PageRequest) -> HttpResponseBase:
    """Show judged policies against one baseline: win rates, ratings and flags, as the paper does.

    The address names them (`policy`); else the page shows the newest, and a file holds all.
    """
    control = request.GET.get("judged") == Judged.CONTROL
    judged = Judged.CONTROL if control else Judged.FINAL
    policies = judged_policies(judged)
    baseline = _chosen_baseline(request, policies)
    as_file, named = request.GET.get("format") == "csv", request.GET.getlist("policy")
    shown = policies if as_file and not named else shown_policies(policies, named, baseline)
    found = figures_against(baseline, shown, judged) if baseline else []
    if as_file:
        return _figures_file(found, judged)
    context: dict[str, Any] = {
        "judged": judged,
        "left_out": 0 if control else left_out(),
        "policies": policies,
        "shown": shown,
        "not_shown": len(policies) - len(shown),
        "baseline": baseline,
        "figures": found,
    }
    context["may_train"] = can(request.user, Action.RUN_TRAINING)
    if baseline:
        context |= _charts(found, baseline)
    return render(request, "evaluations/figures.html", context)


def _figures_file(found: list[PolicyFigures], judged: Judged) -> HttpResponseBase:
    header, *rows = table_rows(found)
    lines = csv_lines([str(cell) for cell in header], rows)
    response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="evaluation-figures-{judged}.csv"'
    return response


def _charts(found: list[PolicyFigures], baseline: Policy) -> dict[str, Any]:
    """Return the charts of the page and what their tables need."""
    flags = sorted({flag for figures in found for flag in figures.flags})
    cohorts = [(key, Cohort(key).label) for key in Cohort.values if any(key in f.rates for f in found)]
    shares = {key: {f.policy: f.flags.get(key) for f in found} for key in flags}
    return {
        "win_rates": win_rate_panel(found, baseline),
        "crossed": list(crossed_panels(found, baseline)),
        "ratings": rating_panel(found),
        "flags": [
            {"key": key, "rows": rows.items(), "panel": flag_panel(FLAG_LABELS.get(key, key), rows)}
            for key, rows in shares.items()
        ],
        "groups": [("all", "All labelers"), *cohorts],
        "distributions": DISTRIBUTIONS.items(),
    }


def _chosen_baseline(request: PageRequest, policies: list[Policy]) -> Policy | None:
    """Return the baseline that the address names, else the one that most evaluations have."""
    named = request.GET.get("baseline", "")
    usual = Evaluation.objects.values_list("baseline", flat=True)
    counts = Counter(usual)
    chosen = next((policy for policy in policies if str(policy.code) == named), None)
    return chosen or max(policies, key=lambda policy: counts[policy.pk], default=None)
