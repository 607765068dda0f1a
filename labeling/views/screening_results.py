"""Results of screenings, without names: grading, deciding, and how it turned out."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render

from labeling.errors import LabelingError
from labeling.forms.screening import DecisionForm, GradeForm
from labeling.models import ScreeningAnswer, ScreeningAttempt, ScreeningItem
from labeling.rules import screening
from labeling.rules.access import Action, can
from labeling.rules.screening_outcomes import ScreeningOutcomes
from labeling.rules.screening_scores import counted_answers, scores_by_attempt, scores_of
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page

Part = ScreeningItem.Part


@require(Action.DECIDE_SCREENING, Action.GRADE_SCREENING)
def result_list(request: PageRequest) -> HttpResponseBase:
    """List screenings by code with their scores; nothing tells whose they are."""
    rows = ScreeningAttempt.objects.select_related("test").order_by("-submitted_at", "code")
    state = request.GET.get("state", "")
    if state in ScreeningAttempt.State.values:
        rows = rows.filter(state=state)
    page = one_page(request, rows.exclude(state=ScreeningAttempt.State.OPEN))
    scores = scores_by_attempt(list(page))
    context = {
        "page": page,
        "rows": [{"attempt": attempt, "scores": scores[attempt.pk]} for attempt in page],
        "open": ScreeningAttempt.objects.filter(state=ScreeningAttempt.State.OPEN).count(),
        "state": state,
        "states": [choice for choice in ScreeningAttempt.State.choices if choice[0] != "open"],
        "to_grade": screening.answers_to_grade(request.user).count() if _grades(request) else None,
    }
    return render(request, "screening/result_list.html", context)


@require(Action.DECIDE_SCREENING, Action.GRADE_SCREENING)
def result_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show one screening beside the researchers' answers; posting decides."""
    attempt = get_object_or_404(ScreeningAttempt.objects.select_related("test"), code=code)
    form = DecisionForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            decision = screening.decide_screening(attempt=attempt, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            field = next((name for name in error.fields if name in form.fields), None)
            form.add_error(field, error.message)
        else:
            messages.success(request, f"Decided: {decision.get_outcome_display().lower()}.")
            return redirect("screening-result-detail", code)
    answers = list(counted_answers([attempt]))
    context = {
        "attempt": attempt,
        "scores": scores_of(attempt),
        "flagging": [answer for answer in answers if answer.item.part == Part.FLAGGING],
        "ranking": [_ranked(answer) for answer in answers if answer.item.part == Part.RANKING],
        "demonstrations": [_graded(answer) for answer in answers if answer.item.part == Part.DEMONSTRATION],
        "decisions": attempt.decisions.select_related("decided_by"),
        "form": form,
        "may_decide": can(request.user, Action.DECIDE_SCREENING) and attempt.state == "submitted",
        "may_grade": _grades(request),
    }
    return render(request, "screening/result_detail.html", context, status=422 if form.is_bound else 200)


@require(Action.GRADE_SCREENING)
def grade_next(request: PageRequest) -> HttpResponseBase:
    """Lead to the next answer to grade, in an order that has nothing to do with persons."""
    answer = screening.answers_to_grade(request.user).first()
    if answer is None:
        messages.info(request, "Every delicate answer has a grade of yours.")
        return redirect("screening-result-list")
    return redirect("screening-grade", answer.code)


@require(Action.GRADE_SCREENING)
def grade(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Grade one delicate answer, 1 to 7."""
    answer = get_object_or_404(
        ScreeningAnswer.objects.select_related("item", "attempt__labeler").filter(
            item__part=Part.DEMONSTRATION, is_complete=True
        ),
        code=code,
    )
    own = answer.grades.filter(grader=request.user).first()
    initial = {"grade": str(own.grade), "note": own.note} if own else {}
    form = GradeForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            screening.grade_answer(answer=answer, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(None, error.message)
        else:
            return redirect("screening-grade-next")
    context = {"answer": answer, "form": form, "left": screening.answers_to_grade(request.user).count()}
    return render(request, "screening/grade.html", context, status=422 if form.is_bound else 200)


@require(Action.SEE_AGREEMENT)
def outcomes(request: PageRequest) -> HttpResponseBase:
    """Show screening scores beside the agreement of the same people since."""
    page = one_page(request, ScreeningOutcomes())
    return render(request, "screening/outcomes.html", {"page": page})


def _grades(request: PageRequest) -> bool:
    return can(request.user, Action.GRADE_SCREENING)


def _ranked(answer: ScreeningAnswer) -> dict[str, object]:
    rows = zip(answer.item.responses, answer.content["ranks"], answer.item.reference["ranks"], strict=True)
    return {
        "item": answer.item,
        "rows": sorted(
            ({"text": text, "given": given, "theirs": theirs} for text, given, theirs in rows),
            key=lambda row: int(row["theirs"]),
        ),
    }


def _graded(answer: ScreeningAnswer) -> dict[str, object]:
    grades = list(answer.grades.all())
    mean = sum(grade.grade for grade in grades) / len(grades) if grades else None
    return {"answer": answer, "item": answer.item, "grades": grades, "mean": mean}
