"""Hours and money: by kind of task, by round, by point of win rate; and the prices behind them."""

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render

from labeling.errors import LabelingError
from labeling.models import PayRate, TaskKind
from labeling.rules.access import Action, can
from labeling.rules.csv_tables import csv_lines
from labeling.rules.pay_rates import add_rate, rate_book
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from training.forms.costs import MachineRateForm, PayRateForm
from training.models import MachineRate
from training.rules.costs import HEADER, cost_report, table
from training.rules.machine_rates import add_machine_rate

ROUNDS_A_PAGE = 20


@require(Action.SEE_COSTS)
def costs(request: PageRequest) -> HttpResponseBase:
    """Show what labels cost, and what a point of win rate did; `format=csv` gives it as a file."""
    simulated = request.GET.get("simulated") == "yes"
    report = cost_report(simulated=simulated)
    if request.GET.get("format") == "csv":
        answer = StreamingHttpResponse(
            csv_lines(HEADER, table(report)), content_type="text/csv; charset=utf-8"
        )
        answer["Content-Disposition"] = 'attachment; filename="costs.csv"'
        return answer
    kinds = [
        {"label": TaskKind(kind).label, "cost": cost, "point": report.by_kind.get(kind)}
        for kind, cost in report.kinds.items()
    ]
    context = {
        "report": report,
        "kinds": kinds,
        "page": one_page(request, report.rounds, ROUNDS_A_PAGE),
        "simulated": simulated,
        "may_see_models": can(request.user, Action.SEE_MODELS),
    }
    return render(request, "costs/overview.html", context)


@require(Action.SEE_COSTS)
def pay_rates(request: PageRequest) -> HttpResponseBase:
    """List the prices of an hour of labeling; managers add another."""
    may_set = can(request.user, Action.SET_PAY_RATES)
    form = PayRateForm(request.POST if request.method == "POST" and may_set else None)
    if _added(request, form, add_rate):
        return redirect("pay-rates")
    rows = PayRate.objects.select_related("labeler", "created_by")
    context = {"form": form, "page": one_page(request, rows), "may_set": may_set}
    return render(request, "costs/rates.html", context, status=422 if form.is_bound else 200)


@require(Action.SEE_COSTS)
def machine_rates(request: PageRequest) -> HttpResponseBase:
    """List the prices of an hour of a run; managers add another."""
    may_set = can(request.user, Action.SET_PAY_RATES)
    form = MachineRateForm(request.POST if request.method == "POST" and may_set else None)
    if _added(request, form, add_machine_rate):
        return redirect("machine-rates")
    rows = MachineRate.objects.select_related("created_by")
    currency = rate_book().currency
    context = {"form": form, "page": one_page(request, rows), "may_set": may_set, "currency": currency}
    return render(request, "costs/machine_rates.html", context, status=422 if form.is_bound else 200)


def _added(request: PageRequest, form: forms.Form, add: Callable[..., object]) -> bool:
    """Add what a valid form says; a refusal stands at its field."""
    if not form.is_valid():
        return False
    try:
        add(by=request.user, **form.cleaned_data)
    except LabelingError as error:
        field = next((name for name in error.fields if name in form.fields), None)
        form.add_error(field, error.message)
        return False
    messages.success(request, "The rate holds from that day on.")
    return True
