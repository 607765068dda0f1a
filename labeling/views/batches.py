"""Batches: listed, made with a look at what labelers will see, opened, watched, closed."""

import random
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.batches import BatchFilterForm, BatchForm
from labeling.models import (
    Batch,
    BatchTemplate,
    Category,
    Policy,
    PromptKind,
    PromptSource,
    Split,
    TaskKind,
)
from labeling.rules import (
    batch_changes,
    batch_making,
    batch_pace,
    batch_templates,
    batches,
    listings,
    quality_reports,
    selection,
)
from labeling.rules.access import Action, can
from labeling.views.access import PageRequest, require
from labeling.views.keyset import keyset_page
from labeling.views.lists import one_page
from labeling.views.refusals import refusals_said

SKIPS_A_PAGE = 25
CHOICES = {"split": Split, "source": PromptSource, "prompt_kind": PromptKind, "category": Category}
BATCHES_A_PAGE = 50
PROMPTS_SHOWN = 5


@require(Action.SEE_BATCHES)
def batch_list(request: PageRequest) -> HttpResponseBase:
    """List batches, newest first, with how far they are."""
    form = BatchFilterForm(request.GET or None)
    form.fields["state"].choices = (("", "Any"), *Batch.Status.choices)  # type: ignore[attr-defined]
    context = {
        "page": keyset_page(request, filtered(form), key="-id", size=BATCHES_A_PAGE),
        "form": form,
        "is_filtered": any(request.GET.get(name) for name in form.fields),
        "templates": BatchTemplate.objects.current(),
        "may_manage": can(request.user, Action.MANAGE_BATCHES),
    }
    return render(request, "batches/list.html", context)


def filtered(form: BatchFilterForm) -> QuerySet[Batch]:
    """Return the batches that a filter leaves."""
    rows: QuerySet[Batch] = listings.batches_with_progress()
    data = form.cleaned_data if form.is_valid() else {}
    if data.get("state"):
        rows = rows.filter(status=data["state"])
    if data.get("kind"):
        rows = rows.filter(kind=data["kind"])
    if data.get("cohort"):
        rows = rows.filter(cohorts__icontains=f'"{data["cohort"]}"')
    if data.get("q"):
        rows = rows.filter(name__icontains=data["q"].strip())
    return rows


@require(Action.MANAGE_BATCHES)
def batch_create(request: PageRequest) -> HttpResponseBase:
    """Make a batch; a look first counts what matches and what is missing, and makes nothing."""
    form = BatchForm(request.POST if request.method == "POST" else None, initial=initial_values(request))
    context: dict[str, object] = {"form": form, "templates": BatchTemplate.objects.current()}
    status = 422 if form.is_bound else 200
    if form.is_bound and "look" not in request.POST and (made := form.made_before(request.user)) is not None:
        messages.info(request, f"“{made}” is made already; nothing was made twice.")
        return redirect("batch-detail", made.code)
    if form.is_valid():
        if "look" in request.POST:
            context |= look_at(form)
            status = 200
        else:
            try:
                batch = batch_making.make_batch(
                    rules=form.rules(),
                    choice=form.choice(),
                    count=form.cleaned_data["count"],
                    seed=form.cleaned_data["seed"],
                    anchoring=form.anchoring(),
                    writing=form.writing(),
                    by=request.user,
                )
            except LabelingError as error:
                for field, fault in error.fields.items():
                    form.add_error(field if field in form.fields else None, str(fault))
                if not error.fields:
                    form.add_error(None, error.message)
            else:
                messages.success(request, f"“{batch}” is a draft. Open it when labelers may begin.")
                return redirect("batch-detail", batch.code)
    elif form.is_bound and form.errors and set(form.errors) <= {"count"}:
        context["coverage"] = [row for row in selection.coverage(form.choice()) if row.missing]
    page = "batches/create.html#batch-form" if request.htmx else "batches/create.html"
    return render(request, page, context, status=status)


def initial_values(request: PageRequest) -> dict[str, Any]:
    """Return what the form starts with: a template's values, a batch's, or none."""
    template, like = request.GET.get("template", ""), request.GET.get("like", "")
    try:
        if template:
            return dict(get_object_or_404(BatchTemplate.objects.current(), code=UUID(template)).values)
        if like:
            batch = get_object_or_404(Batch, code=UUID(like))
            return batch_templates.values_of(batch) | {"name": f"{batch.name}, again"[:120]}
    except ValueError:
        return {}
    return {}


def look_at(form: BatchForm) -> dict[str, object]:
    """Count what matches, say what is missing, and draw a few prompts."""
    data, choice = form.cleaned_data, form.choice()
    kind = TaskKind(data["kind"])
    seed = data["seed"] if data["seed"] is not None else random.randrange(selection.SEEDS)
    anchoring = form.anchoring()
    anchors = [anchoring.overlap] * anchoring.anchor_set.anchors.count() if anchoring else []
    cases = len(form.writing().use_cases) if not kind.has_prompt else 0
    plan = batch_making.plan_in_words(
        tasks=data["count"] * max(1, cases),
        shared_fraction=data["shared_percent"] / 100 if kind.has_prompt else 0.0,
        overlap=data["overlap"],
        anchors=anchors,
    )
    return {
        "looked": True,
        "plan": plan,
        "matching": selection.count_matching(choice) if kind.has_prompt else None,
        "coverage": [row for row in selection.coverage(choice) if row.missing],
        "samples": selection.draw_samples(choice, min(PROMPTS_SHOWN, data["count"]), seed=seed)
        if kind.has_prompt
        else [],
    }


@require(Action.SEE_BATCHES)
def batch_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show how far a batch is, who labeled what, what was skipped and why."""
    batch = get_object_or_404(
        Batch.objects.select_related("guideline", "form", "baseline", "created_by"), code=code
    )
    if request.htmx:
        return render(request, "batches/detail.html#progress", progress_context(batch))
    return render(request, "batches/detail.html", detail_context(request, batch))


def progress_context(batch: Batch) -> dict[str, Any]:
    """Return what the part of a batch's page shows that looks for news: no more than that is read for it."""
    progress = batches.batch_progress(batch)
    is_ranked = TaskKind(batch.kind).is_ranked
    return {
        "batch": batch,
        "progress": progress,
        "percent": round(100 * progress.fraction),
        "shared": batch.tasks.filter(is_shared=True).count(),
        "anchors": batch.tasks.filter(is_anchor=True).count(),
        "is_ranked": is_ranked,
        "agreement": quality_reports.batch_figure(batch, rankings=progress.submitted) if is_ranked else None,
        "pace": batch_pace.pace_of(batch, wanted=progress.wanted, submitted=progress.submitted),
    }


def detail_context(request: PageRequest, batch: Batch) -> dict[str, Any]:
    """Return what a batch's page shows."""
    choice = batch.settings.get("choice") or {}
    may_manage = can(request.user, Action.MANAGE_BATCHES) and not batch.is_import
    return {
        **progress_context(batch),
        "at_work": batch_pace.at_work(batch),
        "skip_reasons": batch_pace.skip_reasons(batch),
        "labelers": listings.labels_by_labeler(batch),
        "skips": one_page(request, listings.skips_of(batch), SKIPS_A_PAGE),
        "policies": Policy.objects.filter(responses__candidacies__task__batch=batch).distinct(),
        "choice": {
            name.replace("_", " "): ", ".join(value)
            if isinstance(value, list)
            else _choice_words(name, value)
            for name, value in choice.items()
            if value
            and name in ("split", "source", "prompt_kind", "category", "language", "tags", "author_cap")
        },
        "undoable": batch_changes.last_undoable(batch) if may_manage else None,
        "is_late": batch.deadline_at is not None and batch.deadline_at < timezone.now(),
        "is_soon": batch.deadline_at is not None
        and timezone.now() < batch.deadline_at < timezone.now() + timedelta(days=1),
        "may_manage": may_manage,
        "may_see_labelers": can(request.user, Action.SEE_LABELERS),
    }


def _choice_words(name: str, value: Any) -> Any:
    """Return what a filter of prompts is called on the form that it was set on."""
    return CHOICES[name](value).label if name in CHOICES and value in CHOICES[name].values else value


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_open(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Let labelers begin."""
    batch = get_object_or_404(Batch, code=code)
    with refusals_said(request):
        batches.open_batch(batch=batch, by=request.user)
        messages.success(request, f"“{batch}” is open: its tasks are in the queue.")
    return redirect("batch-detail", code)


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_close(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Stop giving out its tasks."""
    batch = get_object_or_404(Batch, code=code)
    with refusals_said(request):
        batches.close_batch(batch=batch, by=request.user)
        messages.success(request, f"“{batch}” is closed. What labelers hold they may still submit.")
    return redirect("batch-detail", code)
