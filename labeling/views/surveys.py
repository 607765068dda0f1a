"""Surveys: answered by labelers, opened, closed and read by staff."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.models import Survey
from labeling.rules import surveys
from labeling.rules.access import Action, can
from labeling.rules.csv_tables import csv_lines
from labeling.views.access import LabelerRequest, PageRequest, require, require_labeler
from labeling.views.refusals import refusals_said

HEADER = ("survey", "round", "question", "option", "count", "percent", "answered")


class SurveyForm(forms.Form):
    """The questions of one round; every one may be left out."""

    def __init__(self, *args: Any, survey: Survey, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for question in survey.questions:
            options = [(option, option) for option in question["options"]]
            label, key = question["label"], question["key"]
            if question.get("several"):
                self.fields[key] = forms.MultipleChoiceField(
                    label=label, choices=options, required=False, widget=forms.CheckboxSelectMultiple
                )
            else:
                widget = forms.Select if len(options) > 12 else forms.RadioSelect
                self.fields[key] = forms.ChoiceField(
                    label=label, choices=[("", surveys.NO_ANSWER), *options], required=False, widget=widget
                )

    def answers(self) -> dict[str, list[str]]:
        """Return the options chosen, by question."""
        return {
            key: value if isinstance(value, list) else [value]
            for key, value in self.cleaned_data.items()
            if value
        }


@require_labeler
def survey_list(request: LabelerRequest) -> HttpResponseBase:
    """List the open surveys that this labeler has not answered."""
    context = {"surveys": Survey.objects.unanswered_by(request.labeler)}
    return render(request, "surveys/list.html", context)


@require_labeler
def survey_answer(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Ask one survey, and count the answers."""
    survey = get_object_or_404(Survey, code=code)
    if request.method == "GET" and not Survey.objects.unanswered_by(request.labeler).contains(survey):
        messages.info(request, f"{survey} is closed or answered; each answers once.")
        return redirect("survey-list")
    form = SurveyForm(request.POST if request.method == "POST" else None, survey=survey)
    if form.is_bound and form.is_valid():
        with refusals_said(request):
            surveys.answer_survey(survey=survey, labeler=request.labeler, answers=form.answers())
            messages.success(request, "Thank you. Your answers are counted; whose they were is not kept.")
        return redirect("survey-list")
    context = {"survey": survey, "form": form, "least": surveys.LEAST_GROUP}
    return render(request, "surveys/answer.html", context, status=422 if form.is_bound else 200)


@require(Action.SEE_SURVEYS)
def survey_results(request: PageRequest) -> HttpResponseBase:
    """List the rounds with how many answered."""
    rows = Survey.objects.select_related("opened_by")
    open_kinds = {survey.kind for survey in rows if survey.closed_at is None}
    context = {
        "rows": [{"survey": row, "answered": row.participations.count()} for row in rows],
        "may_open": [pair for pair in Survey.Kind.choices if pair[0] not in open_kinds]
        if can(request.user, Action.RUN_SURVEYS)
        else [],
    }
    return render(request, "surveys/results.html", context)


@require(Action.SEE_SURVEYS)
def survey_result(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a closed round's counts, or as CSV."""
    survey = get_object_or_404(Survey, code=code)
    found = surveys.results_of(survey)
    if request.GET.get("format") == "csv":
        if survey.closed_at is None:
            raise Http404
        rows = (
            (survey.kind, survey.number, result.label, option.option, option.count,
             round(100 * (option.fraction or 0), 1), result.answered)
            for result in found
            for option in result.options
        )  # fmt: skip
        response = StreamingHttpResponse(csv_lines(HEADER, rows), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{survey.kind}-{survey.number}.csv"'
        return response
    context = {
        "survey": survey,
        "results": found,
        "answered": survey.participations.count(),
        "least": surveys.LEAST_GROUP,
        "may_close": survey.closed_at is None and can(request.user, Action.RUN_SURVEYS),
    }
    return render(request, "surveys/result.html", context)


@require_POST
@require(Action.RUN_SURVEYS)
def survey_open(request: PageRequest) -> HttpResponseBase:
    """Open a round."""
    with refusals_said(request):
        survey = surveys.open_survey(kind=request.POST.get("kind", ""), by=request.user)
        messages.success(request, f"{survey} is open; labelers find it on their start page.")
    return redirect("survey-results")


@require_POST
@require(Action.RUN_SURVEYS)
def survey_close(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Close a round."""
    survey = get_object_or_404(Survey, code=code)
    with refusals_said(request):
        surveys.close_survey(survey=survey, by=request.user)
    return redirect("survey-result", code)
