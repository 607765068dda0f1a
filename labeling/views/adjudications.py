"""Disagreements settled, and gold marked: two orders of the same responses, decided by a researcher."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.reviews import OrderForm
from labeling.models import Adjudication, Batch, GoldAnswer, Response, Task, TaskKind
from labeling.rules import adjudications, gold, task_giving, task_moves
from labeling.rules.access import Action, can
from labeling.rules.readings import readings_in
from labeling.views.access import PageRequest, require
from labeling.views.keyset import keyset_page
from labeling.views.refusals import refusals_said
from labeling.views.reviews import review_places

ROWS_A_PAGE = 25
LABELERS_OFFERED = 200


@require(Action.JUDGE)
def adjudication_list(request: PageRequest) -> HttpResponseBase:
    """List the tasks whose labelers disagree, newest first; or those that were settled."""
    is_settled = request.GET.get("state") == "settled"
    given = request.GET.get("below", "")
    below = int(given) if given.isascii() and given.isdigit() and len(given) < 18 else 0
    rows = [] if is_settled else adjudications.disagreements(below=below, most=ROWS_A_PAGE)
    settled = Adjudication.objects.select_related("task__prompt", "task__batch", "by")
    context = {
        "is_settled": is_settled,
        "rows": rows,
        "older": rows[-1].task.pk if len(rows) == ROWS_A_PAGE else 0,
        "page": keyset_page(request, settled, key="-id", size=ROWS_A_PAGE) if is_settled else None,
        **review_places(request),
    }
    return render(request, "adjudications/list.html", context)


@require(Action.JUDGE)
def adjudicate(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show the labelers' orders side by side and take the final one."""
    task = ranked_task(code)
    form = OrderForm(request.POST if request.method == "POST" else None, responses=responses_of(task))
    if form.is_valid():
        try:
            adjudications.adjudicate(
                task=task,
                judgements=form.judgements(),
                reason=form.cleaned_data["reason"],
                by=request.user,
                leaves_out_others=form.cleaned_data["leaves_out_others"],
            )
        except LabelingError as error:
            form.add_error("reason" if "reason" in error.fields else None, error.message)
        else:
            messages.success(request, "Settled. Your order stands as a researcher’s ranking.")
            return redirect("adjudication-list")
    return order_page(request, task, form, is_gold=False)


@require(Action.JUDGE)
def gold_list(request: PageRequest) -> HttpResponseBase:
    """List the tasks with a reference order."""
    rows = gold.tasks_with_gold()
    context = {"page": keyset_page(request, rows, key="-id", size=ROWS_A_PAGE), **review_places(request)}
    return render(request, "gold/list.html", context)


@require(Action.JUDGE)
def gold_mark(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Give a task a reference order."""
    task = ranked_task(code)
    current = GoldAnswer.objects.current().filter(task=task).first()
    form = OrderForm(
        request.POST if request.method == "POST" else None,
        responses=responses_of(task),
        ranks=current.ranks if current else None,
        initial={"reason": current.reason} if current else None,
    )
    if form.is_valid():
        try:
            gold.mark_gold(
                task=task, judgements=form.judgements(), reason=form.cleaned_data["reason"], by=request.user
            )
        except LabelingError as error:
            form.add_error("reason" if "reason" in error.fields else None, error.message)
        else:
            messages.success(request, "Marked. Labelers cannot tell this task from others.")
            return redirect("gold-list")
    return order_page(request, task, form, is_gold=True, current=current)


@require_POST
@require(Action.JUDGE)
def gold_withdraw(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Make a task an ordinary one again."""
    answer = get_object_or_404(GoldAnswer.objects.select_related("task"), code=code)
    with refusals_said(request):
        gold.withdraw_gold(gold=answer, by=request.user)
        messages.success(request, "The task is an ordinary one again.")
    return redirect("gold-list")


@require(Action.SEE_BATCHES)
def task_list(request: PageRequest, code: UUID) -> HttpResponseBase:
    """List the tasks of a batch, with what each is for."""
    batch = get_object_or_404(Batch, code=code)
    rows = batch.tasks.select_related("prompt", "use_case").prefetch_related("gold_answers", "assignments")
    which = request.GET.get("which", "")
    if which == "shared":
        rows = rows.filter(is_shared=True)
    elif which == "anchors":
        rows = rows.filter(is_anchor=True)
    elif which == "open":
        rows = rows.filter(assignments__state="open").distinct()
    words = request.GET.get("q", "").strip()
    if words:
        rows = rows.filter(prompt__text__icontains=words)
    context = {
        "batch": batch,
        "page": keyset_page(request, rows, key="id", size=ROWS_A_PAGE),
        "which": which,
        "q": words,
        "is_ranked": TaskKind(batch.kind).is_ranked,
        **_takers(request, batch),
        **review_places(request),
    }
    return render(request, "batches/tasks.html", context)


def _takers(request: PageRequest, batch: Batch) -> dict[str, object]:
    """Return who may be given tasks of a batch: other batches, and labelers where it is open."""
    if not can(request.user, Action.MANAGE_BATCHES):
        return {}
    may_give = batch.status == Batch.Status.OPEN
    labelers = task_giving.labelers_to_give_to(batch)[:LABELERS_OFFERED] if may_give else []
    return {
        "others": task_moves.batches_to_move_to(batch),
        "labelers": labelers,
        "may_give": may_give,
        "most_days": task_giving.MAX_DAYS,
    }


def ranked_task(code: UUID) -> Task:
    """Return a task whose responses are ranked; 404 for others."""
    kinds = [kind for kind in TaskKind if kind.is_ranked]
    tasks = Task.objects.filter(batch__kind__in=kinds).select_related("batch__guideline", "prompt")
    return get_object_or_404(tasks, code=code)


def responses_of(task: Task) -> list[Response]:
    """Return a task's responses in its own order. Who wrote them is not looked up."""
    return [candidate.response for candidate in task.candidates.select_related("response")]


def order_page(
    request: PageRequest, task: Task, form: OrderForm, *, is_gold: bool, current: GoldAnswer | None = None
) -> HttpResponseBase:
    """Render the page on which responses are put in order."""
    rankings = () if is_gold else adjudications.rankings_of(task)
    places = [{str(place.response.code): place for place in ranking.places.all()} for ranking in rankings]
    read = readings_in(ranking.assignment_id for ranking in rankings)
    context = {
        "task": task,
        "form": form,
        "is_gold": is_gold,
        "current": current,
        "rankings": rankings,
        "rows": [
            {
                "letter": letter,
                "response": response,
                "field": field,
                "places": [by_code.get(str(response.code)) for by_code in places],
                "readings": [read.get((ranking.assignment_id, response.pk)) for ranking in rankings],
            }
            for letter, response, field in form.rows
        ],
        "settled": None if is_gold else Adjudication.objects.filter(task=task).select_related("by").first(),
        **review_places(request),
    }
    return render(request, "adjudications/order.html", context, status=422 if form.is_bound else 200)
