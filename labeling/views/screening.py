"""Taking the screening: one item a page, saved as one goes, with or without scripts."""

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.screening import AnswerForm, CoverageForm
from labeling.models import ScreeningAttempt, ScreeningItem
from labeling.rules import screening
from labeling.rules.screening import Step
from labeling.views.access import LabelerRequest, require_labeler
from labeling.views.refusals import refusals_said

Part = ScreeningItem.Part


@require_labeler
def overview(request: LabelerRequest) -> HttpResponseBase:
    """Show what the screening is, how far one is, and what was decided."""
    try:
        attempt = screening.begin_screening(labeler=request.labeler)
    except LabelingError as error:
        if error.reason_code == "terms_not_accepted":
            return redirect("terms-accept")
        return render(request, "screening/overview.html", {"reason": error.message})
    steps = screening.steps(attempt)
    parts = [
        {
            "label": part.label,
            "done": sum(step.is_done for step in steps if step.item.part == part),
            "total": sum(step.item.part == part for step in steps),
        }
        for part in Part
    ]
    context = {
        "attempt": attempt,
        "parts": parts,
        "next": _first_open(steps),
        "done": sum(step.is_done for step in steps),
        "total": len(steps),
        "has_more": attempt.has_reserve,
    }
    return render(request, "screening/overview.html", context)


@require_labeler
def item(request: LabelerRequest, code: UUID) -> HttpResponseBase:
    """Show one item; posting saves it and leads on, or shows at once how researchers answered."""
    attempt, steps = _own(request)
    number = next((n for n, step in enumerate(steps) if step.item.code == code), None)
    if number is None:
        raise Http404
    step = steps[number]
    given = step.answer.content if step.answer else {}
    form = AnswerForm(
        request.POST if request.method == "POST" and not step.is_checked else None,
        item=step.item,
        responses=screening.shown_responses(attempt, step.item),
        initial=AnswerForm.initial_of(step.item, given),
    )
    following = steps[number + 1].item.code if number + 1 < len(steps) else None
    if form.is_bound:
        is_draft = "draft" in request.POST
        if form.is_valid() or is_draft:
            try:
                screening.save_answer(
                    attempt=attempt, item=step.item, content=form.content(), is_complete=not is_draft
                )
            except LabelingError as error:
                if is_draft:
                    return HttpResponse(error.message, status=409, content_type="text/plain; charset=utf-8")
                form.add_error(None, error.message)
            else:
                if is_draft:
                    return HttpResponse(status=204)
                if step.item.use == ScreeningItem.Use.TRAINING:
                    return redirect("screening-item", code)
                return redirect("screening-item", following) if following else redirect("screening-coverage")
    context = {
        "attempt": attempt,
        "step": step,
        "form": form,
        "number": number + 1,
        "total": len(steps),
        "previous": steps[number - 1].item.code if number else None,
        "following": following,
        "feedback": _feedback(attempt, step) if step.is_checked else None,
    }
    return render(request, "screening/item.html", context, status=422 if form.is_bound else 200)


@require_labeler
def coverage(request: LabelerRequest) -> HttpResponseBase:
    """Part 4: topics and groups."""
    attempt, _ = _own(request)
    initial = {"topics": attempt.topics, "groups": attempt.groups, "note": attempt.coverage_note}
    form = CoverageForm(
        request.POST if request.method == "POST" else None, test=attempt.test, initial=initial
    )
    if form.is_valid():
        try:
            screening.save_coverage(attempt=attempt, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(None, error.message)
        else:
            return redirect("screening")
    context = {"attempt": attempt, "form": form}
    return render(request, "screening/coverage.html", context, status=422 if form.is_bound else 200)


@require_POST
@require_labeler
def submit(request: LabelerRequest) -> HttpResponseBase:
    """Hand the screening in."""
    attempt, _ = _own(request)
    with refusals_said(request):
        screening.submit_screening(attempt=attempt)
        messages.success(request, "Handed in. You will see here what was decided.")
    return redirect("screening")


def _own(request: LabelerRequest) -> tuple[ScreeningAttempt, list[Step]]:
    """Return the labeler's attempt and its steps; 404 where there is none."""
    try:
        attempt = screening.begin_screening(labeler=request.labeler)
    except LabelingError as error:
        raise Http404 from error
    return attempt, screening.steps(attempt)


def _first_open(steps: list[Step]) -> Step | None:
    return next((step for step in steps if not step.is_done), None)


def _feedback(attempt: ScreeningAttempt, step: Step) -> dict[str, object]:
    """Return how researchers answered a training item, beside the labeler's answer, and why."""
    assert step.answer is not None
    reference, given = step.item.reference, step.answer.content
    feedback: dict[str, object] = {
        "agrees": screening.agrees(step.item, given),
        "explanation": step.item.explanation,
    }
    if step.item.part == Part.FLAGGING:
        feedback["researchers"] = "flag it" if reference["is_sensitive"] else "do not flag it"
    elif step.item.part == Part.RANKING:
        shown = screening.shown_responses(attempt, step.item)
        feedback["rows"] = [
            {"letter": letter, "theirs": reference["ranks"][n], "yours": given["ranks"][n], "text": text}
            for letter, (n, text) in zip("ABCDEFGHI", shown, strict=False)
        ]
    else:
        feedback["text"] = given["text"]
    return feedback
