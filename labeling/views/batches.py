"""Batches: listed, made with a look at what labelers will see, opened, watched, closed."""

import random
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.batches import BatchForm
from labeling.models import Batch, Policy, TaskKind
from labeling.rules import agreement, batches, listings, selection
from labeling.rules.access import Action, can
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page

SKIPS_A_PAGE = 25


@require(Action.SEE_BATCHES)
def batch_list(request: PageRequest) -> HttpResponseBase:
    """List batches, newest first, with how far they are."""
    rows = listings.batches_with_progress()
    status, kind = request.GET.get("status", ""), request.GET.get("kind", "")
    if status in Batch.Status.values:
        rows = rows.filter(status=status)
    if kind in TaskKind.values:
        rows = rows.filter(kind=kind)
    context = {
        "page": one_page(request, rows),
        "status": status,
        "kind": kind,
        "statuses": Batch.Status.choices,
        "kinds": TaskKind.choices,
        "is_filtered": bool(status or kind),
        "may_manage": can(request.user, Action.MANAGE_BATCHES),
    }
    return render(request, "batches/list.html", context)


@require(Action.MANAGE_BATCHES)
def batch_create(request: PageRequest) -> HttpResponseBase:
    """Make a batch; the preview button shows a task as a labeler will see it, and makes nothing."""
    form = BatchForm(request.POST if request.method == "POST" else None)
    context: dict[str, object] = {"form": form}
    status = 422 if form.is_bound else 200
    if form.is_valid():
        if "preview" in request.POST:
            context |= preview_of(form)
            status = 200
        else:
            try:
                batch = make_batch(request, form)
            except LabelingError as error:
                for field, fault in error.fields.items():
                    form.add_error(field if field in form.fields else None, str(fault))
                if not error.fields:
                    form.add_error(None, error.message)
            else:
                messages.success(request, f"“{batch}” is a draft. Open it when labelers may begin.")
                return redirect("batch-detail", batch.code)
    page = "batches/create.html#batch-form" if request.htmx else "batches/create.html"
    return render(request, page, context, status=status)


def preview_of(form: BatchForm) -> dict[str, object]:
    """Draw one task, and count what matches."""
    choice = form.choice()
    samples = selection.draw_samples(choice, 1, seed=random.randrange(selection.SEEDS))
    return {
        "matching": selection.count_matching(choice),
        "sample": samples[0] if samples else None,
        "letters": "ABCDEFGHI",
    }


@transaction.atomic
def make_batch(request: PageRequest, form: BatchForm) -> Batch:
    """Make the batch that the form describes and draw its tasks; all or nothing."""
    data = form.cleaned_data
    is_ranked = TaskKind(data["kind"]).is_ranked
    batch = batches.create_batch(
        name=data["name"],
        kind=data["kind"],
        by=request.user,
        cohorts=data["cohorts"],
        k=data["k"] if is_ranked else 4,
        overlap=data["overlap"],
        shared_fraction=data["shared_percent"] / 100,
        baseline=data["baseline"] if is_ranked else None,
        priority=data["priority"],
        lease_seconds=data["lease_minutes"] * 60,
        deadline_at=data["deadline_at"],
        settings={"presort": bool(data["presort"])} if is_ranked else {},
    )
    selection.fill_batch(batch=batch, choice=form.choice(), count=data["count"])
    return batch


@require(Action.SEE_BATCHES)
def batch_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show how far a batch is, who labeled what, what was skipped and why."""
    batch = get_object_or_404(
        Batch.objects.select_related("guideline", "form", "baseline", "created_by"), code=code
    )
    progress = batches.batch_progress(batch)
    choice = batch.settings.get("choice") or {}
    context = {
        "batch": batch,
        "progress": progress,
        "percent": round(100 * progress.fraction),
        "shared": batch.tasks.filter(is_shared=True).count(),
        "is_ranked": TaskKind(batch.kind).is_ranked,
        "agreement": agreement.batch_agreement(batch) if TaskKind(batch.kind).is_ranked else None,
        "labelers": listings.labels_by_labeler(batch),
        "skips": one_page(request, listings.skips_of(batch), SKIPS_A_PAGE),
        "policies": Policy.objects.filter(responses__candidacies__task__batch=batch).distinct(),
        "choice": {
            name: value
            for name, value in choice.items()
            if value and name in ("split", "source", "category", "language")
        },
        "may_manage": can(request.user, Action.MANAGE_BATCHES),
        "may_see_labelers": can(request.user, Action.SEE_LABELERS),
    }
    page = "batches/detail.html#progress" if request.htmx else "batches/detail.html"
    return render(request, page, context)


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_open(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Let labelers begin."""
    batch = get_object_or_404(Batch, code=code)
    try:
        batches.open_batch(batch=batch, by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"“{batch}” is open: its tasks are in the queue.")
    return redirect("batch-detail", code)


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_close(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Stop giving out its tasks."""
    batch = get_object_or_404(Batch, code=code)
    try:
        batches.close_batch(batch=batch, by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"“{batch}” is closed. What labelers hold they may still submit.")
    return redirect("batch-detail", code)
