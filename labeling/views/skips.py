"""Tasks that labelers passed on: seen by staff, and put back where they were set aside."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.models import Skip, Task
from labeling.rules import skips
from labeling.rules.access import Action, can
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page

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
            {
                "task": task,
                "counts": [
                    {"label": each.label, "n": n} for each in Skip.Reason if (n := getattr(task, each.value))
                ],
                "notes": said.get(task.pk, [])[:3],
            }
            for task in page
        ],
        "reason": reason,
        "reasons": Skip.Reason.choices,
        "may_manage": can(request.user, Action.MANAGE_BATCHES),
    }
    return render(request, "skips/list.html", context)


@require_POST
@require(Action.MANAGE_BATCHES)
def task_put_back(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Serve a task again that was set aside as broken."""
    task = get_object_or_404(Task, code=code)
    try:
        slots = skips.put_back(task=task, by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, f"The task is served again, to {slots} more.")
    return redirect("skip-list")
