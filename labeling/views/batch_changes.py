"""A running batch: paused, changed, balanced, extended, reopened; and the last change undone."""

from collections.abc import Callable
from uuid import UUID

from django.contrib import messages
from django.forms import Form as PageForm
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.batch_changes import (
    BalanceForm,
    ChangeForm,
    ExtendForm,
    GiveForm,
    MoveForm,
    ReasonForm,
    TemplateForm,
)
from labeling.models import Assignment, AuditEvent, Batch, BatchTemplate
from labeling.rules import (
    batch_changes,
    batch_templates,
    batches,
    selection,
    task_giving,
    task_moves,
)
from labeling.rules.access import Action
from labeling.rules.texts import counted
from labeling.views.access import PageRequest, require
from labeling.views.refusals import refusals_said

EVENTS_SHOWN = 20


@require(Action.MANAGE_BATCHES)
def batch_manage(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show all that can be changed about a batch, and what was."""
    return manage_page(request, get_object_or_404(Batch, code=code))


def manage_page(request: PageRequest, batch: Batch, **forms: PageForm) -> HttpResponseBase:
    """Render the page; a form that was refused takes the place of its empty one."""
    choice = batch.settings.get("choice")
    events = AuditEvent.objects.filter(object_type="batch", object_code=str(batch.code))
    context = {
        "batch": batch,
        "progress": batches.batch_progress(batch),
        "overlaps": batches.overlaps_of(batch),
        "change_form": ChangeForm(batch=batch, prefix="change"),
        "balance_form": BalanceForm(prefix="balance", initial={"overlap": batch.overlap}),
        "extend_form": ExtendForm(prefix="extend"),
        "reason_form": ReasonForm(prefix="pause"),
        "template_form": TemplateForm(prefix="template", initial={"name": batch.name}),
        "matching": selection.count_matching(selection.choice_from(choice), batch) if choice else None,
        "undoable": batch_changes.last_undoable(batch),
        "events": events.select_related("actor")[:EVENTS_SHOWN],
        **forms,
    }
    return render(request, "batches/manage.html", context, status=422 if forms else 200)


def step(request: PageRequest, code: UUID, change: Callable[[Batch], str]) -> HttpResponseBase:
    """Do one change to a batch and say what came of it, back on the page for changes."""
    batch = get_object_or_404(Batch, code=code)
    with refusals_said(request):
        messages.success(request, change(batch))
    return redirect("batch-manage", batch.code)


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_pause(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Give out no more tasks for now, or give them out again."""
    form = ReasonForm(request.POST, prefix="pause")
    reason = form.cleaned_data["reason"] if form.is_valid() else ""

    def change(batch: Batch) -> str:
        if batch.status == Batch.Status.PAUSED:
            batch_changes.resume_batch(batch=batch, by=request.user)
            return f"“{batch}” gives out tasks again."
        batch_changes.pause_batch(batch=batch, by=request.user, reason=reason)
        return f"“{batch}” is paused. What labelers hold they may finish."

    return step(request, code, change)


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_reopen(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Open a closed batch again."""

    def change(batch: Batch) -> str:
        batch_changes.reopen_batch(batch=batch, by=request.user)
        return f"“{batch}” is open again."

    return step(request, code, change)


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_change(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Change name, priority, lease, cap per labeler, deadline, cohorts."""
    batch = get_object_or_404(Batch, code=code)
    form = ChangeForm(request.POST, batch=batch, prefix="change")
    if not form.is_valid():
        return manage_page(request, batch, change_form=form)
    try:
        batch_changes.change_batch(batch=batch, by=request.user, **form.changes())
    except LabelingError as error:
        for field, fault in error.fields.items():
            form.add_error(field if field in form.fields else None, f"This {fault}.")
        return manage_page(request, batch, change_form=form)
    messages.success(request, "Changed.")
    return redirect("batch-manage", code)


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_balance(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Raise or lower overlap."""
    form = BalanceForm(request.POST, prefix="balance")
    if not form.is_valid():
        return manage_page(request, get_object_or_404(Batch, code=code), balance_form=form)

    def change(batch: Batch) -> str:
        done = batch_changes.balance_batch(batch=batch, by=request.user, **form.cleaned_data)
        return (
            f"{counted(done.tasks, 'task')} changed: {counted(done.opened, 'slot')} opened, "
            f"{done.withdrawn} withdrawn."
        )

    return step(request, code, change)


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_withdraw(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Take back every slot that nobody holds."""

    def change(batch: Batch) -> str:
        done = batch_changes.withdraw_slots(batch=batch, by=request.user)
        return f"{counted(done.withdrawn, 'open slot')} withdrawn. What labelers hold they may finish."

    return step(request, code, change)


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_extend(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Draw more prompts into the batch, by the filters it was made with."""
    form = ExtendForm(request.POST, prefix="extend")
    if not form.is_valid():
        return manage_page(request, get_object_or_404(Batch, code=code), extend_form=form)

    def change(batch: Batch) -> str:
        choice = batch.settings.get("choice")
        if not choice:
            return "This batch was not drawn by filters, so nothing was added; make a batch for more prompts."
        added = batch_changes.extend_batch(
            batch=batch,
            choice=selection.choice_from(choice),
            count=form.cleaned_data["count"],
            key=form.cleaned_data["key"],
            by=request.user,
        )
        return f"{counted(added, 'task')} added."

    return step(request, code, change)


@require_POST
@require(Action.MANAGE_BATCHES)
def batch_undo(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Undo the last change, if nothing was changed since."""
    event = get_object_or_404(AuditEvent, code=request.POST.get("event") or None)

    def change(batch: Batch) -> str:
        batch_changes.undo_change(batch=batch, event=event, by=request.user)
        return "Undone."

    return step(request, code, change)


@require_POST
@require(Action.MANAGE_BATCHES)
def tasks_give(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Keep the tasks that were ticked for one labeler."""
    form = GiveForm(request.POST, batch=get_object_or_404(Batch, code=code))
    if not form.is_valid():
        said = form.errors.get("labeler")
        what = f"Tick the tasks to give, and name a labeler and 1 to {task_giving.MAX_DAYS} days."
        messages.error(request, str(said[0]) if said else what)
        return redirect("batch-tasks", code)
    with refusals_said(request):
        given = task_giving.give_tasks(by=request.user, **form.cleaned_data)
        why = "seen by them already, not for them, or nobody is wanted any more"
        left = f"; {given.left} stay: {why}" if given.left else ""
        labeler = form.cleaned_data["labeler"]
        messages.success(request, f"{counted(given.given, 'task')} given to {labeler.pseudonym}{left}.")
    return redirect("batch-tasks", code)


@require_POST
@require(Action.MANAGE_BATCHES)
def task_take_back(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Take back a task that was given to a labeler who has not begun it."""
    given = Assignment.objects.select_related("batch", "labeler").filter(given_until__isnull=False)
    assignment = get_object_or_404(given, code=code)
    with refusals_said(request):
        task_giving.take_back(assignment=assignment, by=request.user)
        messages.success(request, "The task is anybody’s again.")
    return redirect("batch-detail", assignment.batch.code)


@require_POST
@require(Action.MANAGE_BATCHES)
def tasks_move(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Give the tasks that were ticked to another batch, whose cohorts then get them."""
    if request.POST.get("labeler") and not request.POST.get("to"):
        return tasks_give(request, code)  # Enter in the other half of the form
    batch = get_object_or_404(Batch, code=code)
    form = MoveForm(request.POST, batch=batch)
    if not form.is_valid():
        messages.error(request, "Tick the tasks to move, and choose the batch that takes them.")
        return redirect("batch-tasks", code)
    to = form.cleaned_data["to"]
    with refusals_said(request):
        move = task_moves.move_tasks(tasks=form.cleaned_data["tasks"], to=to, by=request.user)
        divided = f", of {move.divided} more the labels nobody has taken" if move.divided else ""
        left = f"; {move.left} stay, every label wanted is held or given" if move.left else ""
        messages.success(request, f"{counted(move.moved, 'task')} moved to “{to}”{divided}{left}.")
    return redirect("batch-tasks", code)


@require_POST
@require(Action.MANAGE_BATCHES)
def template_save(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Make a template of a batch."""
    batch = get_object_or_404(Batch, code=code)
    form = TemplateForm(request.POST, prefix="template")
    if not form.is_valid():
        return manage_page(request, batch, template_form=form)
    try:
        template = batch_templates.save_template(
            name=form.cleaned_data["name"],
            kind=batch.kind,
            values=batch_templates.values_of(batch),
            by=request.user,
        )
    except LabelingError as error:
        form.add_error("name" if "name" in error.fields else None, error.message)
        return manage_page(request, batch, template_form=form)
    messages.success(request, f"“{template}” can be chosen when a batch is made.")
    return redirect("batch-manage", code)


@require_POST
@require(Action.MANAGE_BATCHES)
def template_archive(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Offer a template no more."""
    template = get_object_or_404(BatchTemplate, code=code)
    with refusals_said(request):
        batch_templates.archive_template(template=template, by=request.user)
        messages.success(request, f"“{template}” is offered no more.")
    return redirect("batch-list")
