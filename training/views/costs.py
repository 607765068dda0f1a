"""Hours and money: by kind of task, by round, by point of win rate; and the prices behind them."""

from django.contrib import messages
from django.http import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render

from labeling.errors import LabelingError
from labeling.models import PayRate, TaskKind
from labeling.rules.access import Action, can
from labeling.rules.csv_tables import csv_lines
from labeling.rules.pay_rates import add_rate
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from training.forms.costs import PayRateForm
from training.rules.costs import HEADER, cost_report, table

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
    """List the prices of an hour; managers add another."""
    may_set = can(request.user, Action.SET_PAY_RATES)
    form = PayRateForm(request.POST if request.method == "POST" and may_set else None)
    if form.is_valid():
        try:
            add_rate(by=request.user, **form.cleaned_data)
        except LabelingError as error:
            field = next((name for name in error.fields if name in form.fields), None)
            form.add_error(field, error.message)
        else:
            messages.success(request, "The rate holds from that day on.")
            return redirect("pay-rates")
    rows = PayRate.objects.select_related("labeler", "created_by")
    context = {"form": form, "page": one_page(request, rows), "may_set": may_set}
    return render(request, "costs/rates.html", context, status=422 if form.is_bound else 200)
