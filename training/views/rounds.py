"""Rounds: turns of the loop, each step a button."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.models import Batch
from labeling.rules.access import Action, can
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from training.forms.rounds import RoundForm
from training.models import Dataset, Evaluation, Round, Run
from training.rlhf.config import ConfigError
from training.rules import rounds
from training.rules.clock import is_clock_silent
from training.rules.over_optimisation import over_optimisation_of
from training.rules.prompt_choice import agreement_by_choice
from training.rules.round_facts import with_rows
from training.rules.round_opening import model_of
from training.rules.round_steps import KINDS as STEPS
from training.tasks import enqueue_run

PAGE_OF = {
    Batch: "batch-detail",
    Dataset: "dataset-detail",
    Run: "run-detail",
    Evaluation: "evaluation-detail",
    Round: "round-detail",
}


@require(Action.SEE_MODELS)
def round_list(request: PageRequest) -> HttpResponseBase:
    """List rounds with what each waits for."""
    page = one_page(request, Round.objects.select_related("previous"))
    waiting = rounds.next_steps(list(page))
    context = {
        "page": page,
        "rows": [{"round": row, "step": waiting[row.pk]} for row in page],
        "may_train": can(request.user, Action.RUN_TRAINING),
    }
    return render(request, "rounds/list.html", context)


@require(Action.RUN_TRAINING)
def round_create(request: PageRequest) -> HttpResponseBase:
    """Open a first round; later ones open from the round before them."""
    form = RoundForm(request.POST or None)
    if form.is_valid():
        data = form.cleaned_data
        try:
            opened = rounds.open_round(
                name=data["name"],
                base_model=data["base_model"],
                pretrain_dataset=data["pretrain_dataset"],
                settings=form.settings(),
                by=request.user,
            )
        except LabelingError as error:
            form.refuse(error)
        else:
            messages.success(request, f"{opened} is open.")
            return redirect("round-detail", opened.code)
    return render(request, "rounds/create.html", {"form": form}, status=422 if form.is_bound else 200)


@require(Action.RUN_TRAINING)
def round_next(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Open the round after one that is done, with settings that may differ from its own."""
    given = get_object_or_404(Round, code=code)
    form = RoundForm(request.POST or None, previous=given)
    if form.is_valid():
        try:
            runs = rounds.open_next_round(
                given=given,
                name=form.cleaned_data["name"],
                pretrain_dataset=form.cleaned_data["pretrain_dataset"],
                settings=form.settings(),
                by=request.user,
            )
        except LabelingError as error:
            form.refuse(error)
        except ConfigError as error:
            form.add_error(None, " ".join(error.problems))
        else:
            for run in runs:
                enqueue_run(run)
            opened = Round.objects.get(previous=given)
            messages.success(request, f"{opened} is open; its responses are being sampled.")
            return redirect("round-detail", opened.code)
    context = {"form": form, "previous": given}
    return render(request, "rounds/create.html", context, status=422 if form.is_bound else 200)


@require(Action.SEE_MODELS)
def round_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a round's steps. Until it is closed they move by themselves.

    Also where none is running: a colleague, a labeler or a worker may be about to change what one waits for,
    and a page read between two of their statements must not stand still.
    """
    rows = with_rows(Round.objects.select_related("base_model", "created_by"))
    given = get_object_or_404(rows, code=code)
    facts = rounds.read_facts([given])
    found = rounds.steps(given, facts)
    context = {
        "round": given,
        "steps": [{"step": step, "url": page_of(step.row)} for step in found],
        "may_train": can(request.user, Action.RUN_TRAINING),
    }
    if request.htmx:
        return render(request, "rounds/detail.html#steps", context)
    context |= {
        "sft_model": rounds.sft_model(given),
        "policy_model": rounds.policy_model(given),
        "gate": facts.gate(given) if given.comparisons_dataset or given.sft_dataset else None,
        "alarm": over_optimisation_of(model_of(given.ppo_run), given, facts),
        "shares": agreement_by_choice(given.comparison_batch, facts.met),
        "is_clock_silent": is_clock_silent(),
    }
    return render(request, "rounds/detail.html", context)


@require_POST
@require(Action.RUN_TRAINING)
def round_step(request: PageRequest, code: UUID, key: str) -> HttpResponseBase:
    """Do the next step of a round; pressed twice, the second press says what has happened meanwhile.

    What was done leads back to its step, where whoever pressed it by keyboard goes on.
    """
    page = reverse("round-detail", args=[code])
    given = get_object_or_404(Round, code=code)
    try:
        runs = rounds.start_step(given=given, key=key, by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
    except ConfigError as error:
        messages.error(request, " ".join(error.problems))
    else:
        for run in runs:
            enqueue_run(run)
        title = STEPS[key].title
        messages.success(request, f"{title}: {'it has begun' if runs else 'done'}.")
        return redirect(f"{page}#made-by-{key}")
    return redirect(page)


@require_POST
@require(Action.RUN_TRAINING)
def round_open_gate(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Let a round train although its gate is closed, signed and with a reason."""
    given = get_object_or_404(Round, code=code)
    try:
        rounds.open_gate(given=given, reason=request.POST.get("reason", ""), by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
    else:
        messages.success(request, "The gate is open, under your name.")
    return redirect("round-detail", code)


@require_POST
@require(Action.RUN_TRAINING)
def round_automatic(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Let the steps start by themselves, or by the button again."""
    given = get_object_or_404(Round, code=code)
    rounds.set_automatic(given=given, is_automatic=request.POST.get("automatic") == "yes", by=request.user)
    on = given.settings["is_automatic"]
    messages.success(request, "Its steps start by themselves now." if on else "Its steps wait for you now.")
    return redirect("round-detail", code)


def page_of(row: Any) -> str:
    """Return the address of the page of what a step made, empty where it has made nothing."""
    return reverse(PAGE_OF[type(row)], args=[row.code]) if row is not None else ""
