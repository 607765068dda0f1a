"""What a labeler will see: the very page they get, of a task that is undone once it is shown."""

from collections.abc import Callable
from copy import copy
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import resolve
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.batches import BatchForm
from labeling.models import Batch, Task
from labeling.rules import batch_making, batch_previews
from labeling.rules.access import Action
from labeling.views.access import PageRequest, require
from labeling.views.assignments import page_of


@require(Action.SEE_BATCHES)
def batch_preview(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a task of a batch as labelers get it: one at random, or the one asked for."""
    batch = get_object_or_404(Batch, code=code)
    return as_labeler(request, lambda: batch, after_readings=request.GET.get("after") == "readings")


@require(Action.SEE_BATCHES)
def task_preview(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show one task as labelers get it."""
    task = get_object_or_404(Task.objects.select_related("batch"), code=code)
    return as_labeler(request, lambda: task, after_readings=request.GET.get("after") == "readings")


@require_POST
@require(Action.MANAGE_BATCHES)
def draft_preview(request: PageRequest) -> HttpResponseBase:
    """Show a task of the batch that the form describes, before there is one."""
    form = BatchForm(request.POST)
    if not form.is_valid():
        return render(request, "batches/create.html", {"form": form}, status=422)

    def make() -> Batch:
        return batch_making.make_batch(
            rules=form.rules(),
            choice=form.choice(),
            count=1,
            seed=form.cleaned_data["seed"],
            writing=form.writing(),
            by=request.user,
        )

    return as_labeler(request, make)


def as_labeler(
    request: PageRequest, make: Callable[[], Batch | Task], *, after_readings: bool = False
) -> HttpResponseBase:
    """Answer with the labeler's page. It carries no identity that the labeler's own would not.

    Where the responses are read before the prompt, that page comes first; `after_readings` shows the next.
    """
    try:
        with batch_previews.task_in_hand(make, has_readings=after_readings) as assignment:
            assert assignment.labeler is not None  # it was made with one
            address = page_of(assignment)
            looking = copy(request)
            looking.method, looking.path, looking.path_info = "GET", address, address
            looking.GET = looking.POST = QueryDict()
            looking.user = assignment.labeler.user
            looking.is_preview = True  # type: ignore[attr-defined]
            looking.preview_path = request.path if request.method == "GET" else ""  # type: ignore[attr-defined]
            view, arguments, named = resolve(address)
            answer: HttpResponse = view(_without_htmx(looking), *arguments, **named)
            answer.headers["Cache-Control"] = "no-store"
            return answer
    except LabelingError as error:
        return render(request, "batches/no_preview.html", {"message": error.message}, status=422)


def _without_htmx(request: HttpRequest) -> HttpRequest:
    request.htmx = False  # type: ignore[attr-defined]
    return request
