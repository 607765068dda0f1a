"""Tasks that labelers passed on: seen by staff, and put back where they were set aside."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.skips import SkipAttentionForm
from labeling.models import Labeler, Skip, Task
from labeling.rules import skip_attention, skips
from labeling.rules.access import Action, can
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from labeling.views.refusals import refusals_said

TASKS_A_PAGE = 25


@require(Action.SEE_BATCHES)
def skipped_tasks(request: PageRequest) -> HttpResponseBase:
    """List skipped tasks, those set aside first, with how often for each reason and what was said."""
    reason = request.GET.get("reason", "")
    page = one_page(request, skips.skipped_tasks(reason=reason), TASKS_A_PAGE)
    notes = Skip.objects.filter(assignment__task__in=[task.pk for task in page]).exclude(note="")
    said: dict[int, list[Skip]] = {}
    for skip in notes.select_related("assignment").order_by("-created_at"):
        said.setdefault(skip.assignment.task_id, []).append(skip)
    context = {
        "page": page,
        "rows": [
            {"task": task, "counts": _by_reason(task), "notes": said.get(task.pk, [])[:3]} for task in page
        ],
        "reason": reason,
        "reasons": Skip.Reason.choices,
        "may_manage": can(request.user, Action.MANAGE_BATCHES),
    }
    return render(request, "skips/list.html", context)


@require(Action.SEE_LABELERS)
def attention(request: PageRequest) -> HttpResponseBase:
    """Show who skips more than managers set as worth a question."""
    threshold = skip_attention.current_threshold()
    initial = {"percent": threshold.percent, "least_tasks": threshold.least_tasks}
    return _attention_page(request, SkipAttentionForm(initial=initial))


@require_POST
@require(Action.MANAGE_LABELERS)
def attention_change(request: PageRequest) -> HttpResponseBase:
    """Set what is worth a question."""
    form = SkipAttentionForm(request.POST)
    if form.is_valid():
        try:
            skip_attention.change_threshold(by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Set. It shows who is worth a question; nothing follows by itself.")
            return redirect("skip-attention")
    return _attention_page(request, form)


def _attention_page(request: PageRequest, form: SkipAttentionForm) -> HttpResponseBase:
    threshold = skip_attention.current_threshold()
    page = one_page(request, skip_attention.needing_attention(threshold))
    context = {
        "form": form,
        "page": page,
        "rows": [{"labeler": labeler, "counts": _by_reason(labeler)} for labeler in page],
        "threshold": threshold,
        "may_manage": can(request.user, Action.MANAGE_LABELERS),
    }
    return render(request, "skips/attention.html", context, status=422 if form.is_bound else 200)


def _by_reason(counted: Task | Labeler) -> list[dict[str, object]]:
    """Return how often something was skipped for each reason that was given at all."""
    return [{"label": each.label, "n": n} for each in Skip.Reason if (n := getattr(counted, each.value))]


def _served_again(slots: int) -> str:
    if slots:
        return f"The task is served again, to {slots} more."
    return "The task is set aside no longer. It gets a slot for each label it lacks while its batch is open."


@require_POST
@require(Action.MANAGE_BATCHES)
def task_put_back(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Serve a task again that was set aside as broken."""
    task = get_object_or_404(Task, code=code)
    with refusals_said(request):
        slots = skips.put_back(task=task, by=request.user)
        messages.success(request, _served_again(slots))
    return redirect("skip-list")
