"""The dashboard: where the loop stands, and what to do next."""

from typing import Any

from django.db.models import Count, Q
from django.http import HttpResponseBase
from django.shortcuts import render

from labeling.models import Assignment, Batch, Demonstration, Prompt, PromptSource, Ranking, Split
from labeling.rules.access import Action, can
from labeling.rules.quality_reports import kept_report
from labeling.views.access import PageRequest, require
from training.models import Dataset, Model, Round, Run
from training.rules import rounds
from training.rules.round_facts import HEAVY, with_rows

NEWEST = 5


@require(Action.SEE_DASHBOARD)
def dashboard(request: PageRequest) -> HttpResponseBase:
    """Show prompts, labels, agreement, runs, models and rounds, each with its next action."""
    sees_models = can(request.user, Action.SEE_MODELS)
    context: dict[str, Any] = {
        "may_train": can(request.user, Action.RUN_TRAINING),
        "may_export": can(request.user, Action.EXPORT),
        "may_manage": can(request.user, Action.MANAGE_BATCHES),
        "sees_models": sees_models,
    }
    if sees_models:
        runs = list(Run.objects.select_related("model").defer(*HEAVY).order_by("-pk")[:NEWEST])
        context |= {"runs": runs, "is_moving": any(not run.is_ended for run in runs)}
    if request.htmx:
        return render(request, "dashboard/overview.html#runs", context)
    agreement = kept_report("agreement").body
    context |= {
        "prompts": prompt_counts(),
        "splits": Split.choices,
        "demonstrations": Demonstration.objects.newest().count(),
        "rankings": Ranking.objects.newest().count(),
        "batches_open": Batch.objects.open().count(),
        "waiting": Assignment.objects.open().filter(batch__status=Batch.Status.OPEN).count(),
        "agreement": agreement["modes"]["strict"]["total"] if agreement else None,
    }
    if sees_models:
        current = with_rows(Round.objects.open()).first()
        steps = rounds.steps(current) if current else []
        context |= {
            "models": Model.objects.select_related("run", "parent")[:NEWEST],
            "datasets": Dataset.objects.of_labels()[:NEWEST],
            "round": current,
            "steps": steps,
            "step": next((step for step in steps if step.state != "done"), None),
        }
    return render(request, "dashboard/overview.html", context)


def prompt_counts() -> dict[str, object]:
    """Count prompts by source and split, usable and held, in one query."""
    rows = list(
        Prompt.objects.order_by()
        .values("source", "split")
        .annotate(usable=Count("pk", filter=Q(held_reason="")), held=Count("pk", filter=~Q(held_reason="")))
    )
    table = [
        {
            "label": source.label,
            "counts": [
                sum(r["usable"] for r in rows if r["source"] == source and r["split"] == split)
                for split in Split.values
            ],
            "held": sum(r["held"] for r in rows if r["source"] == source),
        }
        for source in PromptSource
    ]
    return {
        "total": sum(row["usable"] for row in rows),
        "held": sum(row["held"] for row in rows),
        "by_split": [sum(r["usable"] for r in rows if r["split"] == split) for split in Split.values],
        "table": table,
    }
