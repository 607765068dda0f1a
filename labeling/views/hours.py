"""Hours at work: a table for managers, and the same as CSV and JSON."""

import zoneinfo
from datetime import timedelta
from typing import Any

from django import forms
from django.http import HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone

from labeling.errors import LabelingError
from labeling.models import Labeler
from labeling.rules.access import Action
from labeling.rules.csv_tables import csv_lines
from labeling.rules.hours import HEADER, WeekOfWork, hours_by_week
from labeling.views.access import PageRequest, require

WEEKS_SHOWN = 4


class HoursForm(forms.Form):
    """Which weeks, whose, and in which time zone they begin."""

    first = forms.DateField(label="From the week of", widget=forms.DateInput(attrs={"type": "date"}))
    last = forms.DateField(label="To the week of", widget=forms.DateInput(attrs={"type": "date"}))
    vendor = forms.ChoiceField(required=False)
    time_zone = forms.CharField(label="Time zone", max_length=64)
    is_simulated = forms.BooleanField(label="With simulated labelers", required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        vendors = Labeler.objects.exclude(vendor="").order_by("vendor").values_list("vendor", flat=True)
        self.fields["vendor"] = forms.ChoiceField(
            required=False, choices=[("", "All"), *((name, name) for name in vendors.distinct())]
        )

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        if name not in zoneinfo.available_timezones():
            raise forms.ValidationError(f"“{name}” is not a time zone; an example is Europe/Berlin.")
        return name

    def weeks(self) -> list[WeekOfWork]:
        """Return the weeks asked for."""
        data = self.cleaned_data
        return hours_by_week(
            first=data["first"],
            last=data["last"],
            zone=zoneinfo.ZoneInfo(data["time_zone"]),
            vendor=data["vendor"] or None,
            simulated=data["is_simulated"],
        )


@require(Action.EXPORT_HOURS)
def hours(request: PageRequest) -> HttpResponseBase:
    """Show hours by week, vendor and labeler; `format` gives them as a file instead."""
    today = timezone.localdate()
    asked = {
        "first": str(today - timedelta(weeks=WEEKS_SHOWN - 1)),
        "last": str(today),
        "time_zone": request.user.time_zone,
        **request.GET.dict(),
    }
    form = HoursForm(asked)
    weeks: list[WeekOfWork] = []
    if form.is_valid():
        try:
            weeks = form.weeks()
        except LabelingError as error:
            form.add_error("last", error.message)
        else:
            if request.GET.get("format") in ("csv", "json"):
                period = f"{form.cleaned_data['first']}-{form.cleaned_data['last']}"
                return _file(weeks, request.GET["format"], f"hours-{period}")
    query = request.GET.copy()
    query.pop("format", None)
    context = {
        "form": form,
        "weeks": weeks,
        "total": sum(week.seconds for week in weeks),
        "query": query.urlencode(),
    }
    return render(request, "hours/list.html", context, status=422 if form.errors else 200)


def _file(weeks: list[WeekOfWork], kind: str, name: str) -> HttpResponseBase:
    response: HttpResponseBase
    if kind == "json":
        rows = [dict(zip(HEADER, week.as_row(), strict=True)) for week in weeks]
        response = JsonResponse({"weeks": rows})
    else:
        lines = csv_lines(HEADER, (week.as_row() for week in weeks))
        response = StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.{kind}"'
    return response
