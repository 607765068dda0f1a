"""Demonstrations reviewed: a queue, one at a time, without the name of who wrote it."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.reviews import ReviewFilterForm, ReviewForm
from labeling.models import Demonstration, Review
from labeling.rules import flags, reviews
from labeling.rules.access import Action, can
from labeling.views.access import PageRequest, require
from labeling.views.keyset import keyset_page
from labeling.views.refusals import refusals_said

ROWS_A_PAGE = 25
Decision = Review.Decision
DONE = {
    Decision.ACCEPTED: "Accepted.",
    Decision.FIXED: "Accepted with your changes.",
    Decision.RETURNED: "Returned; its labeler reads why.",
    Decision.EXCLUDED: "Left out of training.",
    Decision.REOPENED: "It waits again.",
}


@require(Action.REVIEW)
def review_list(request: PageRequest) -> HttpResponseBase:
    """List the demonstrations of a queue."""
    form = ReviewFilterForm(request.GET or None)
    data = form.cleaned_data if form.is_valid() else {}
    queue = data.get("queue") or reviews.WAITING
    rows = reviews.demonstrations_in(queue, batch=data.get("batch"), words=(data.get("q") or "").strip())
    context = {
        "form": form,
        "page": keyset_page(request, rows, key="-id", size=ROWS_A_PAGE),
        "queue": queue,
        "waiting": reviews.demonstrations_in(reviews.WAITING).count(),
        "decisions": dict(Decision.choices),
        "is_filtered": bool(data.get("q") or data.get("batch")),
        **review_places(request),
    }
    return render(request, "reviews/list.html", context)


def review_places(request: PageRequest) -> dict[str, object]:
    """Return what the tabs over all reviewing pages show."""
    return {
        "open_flags": sum(flags.count_open().values()),
        "may_judge": can(request.user, Action.JUDGE),
        "may_audit": can(request.user, Action.SEE_AUDIT),
    }


@require(Action.REVIEW)
def review_next(request: PageRequest) -> HttpResponseBase:
    """Open the oldest demonstration that waits."""
    waiting = reviews.next_waiting()
    if waiting is None:
        messages.success(request, "Nothing waits for a review.")
        return redirect("review-list")
    return redirect("review-detail", waiting.code)


@require(Action.REVIEW)
def review_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show one demonstration and take a decision about it; then the next one follows."""
    row = get_object_or_404(
        Demonstration.objects.select_related("prompt", "assignment__batch", "guideline", "fixed_by"),
        code=code,
    )
    form = ReviewForm(request.POST if request.method == "POST" else None, initial={"text": row.text})
    if form.is_valid():
        try:
            review = decide(request, row, form)
        except LabelingError as error:
            field = next((name for name in error.fields if name in form.fields), None)
            form.add_error(field, error.message)
        else:
            messages.success(request, DONE[Decision(review.decision)])
            following = reviews.next_waiting(after=row)
            return redirect("review-detail", following.code) if following else redirect("review-list")
    newest = row.reviews.newest().first()
    context = {
        "row": row,
        "form": form,
        "newest": Demonstration.objects.filter(supersedes=row).first(),
        "earlier": row.supersedes,
        "review": newest,
        "history": Review.objects.filter(demonstration__assignment=row.assignment_id).select_related("by")
        if row.assignment_id
        else row.reviews.select_related("by"),
        "waiting": reviews.demonstrations_in(reviews.WAITING).count(),
        **review_places(request),
    }
    return render(request, "reviews/detail.html", context, status=422 if form.is_bound else 200)


def decide(request: PageRequest, row: Demonstration, form: ReviewForm) -> Review:
    """Record what the form says."""
    data = form.cleaned_data
    if data["decision"] == Decision.FIXED:
        return reviews.fix_demonstration(
            demonstration=row,
            text=data["text"],
            by=request.user,
            grade=form.given_grade,
            comment=data["comment"],
        )
    return reviews.review_demonstration(
        demonstration=row,
        decision=data["decision"],
        by=request.user,
        grade=form.given_grade,
        comment=data["comment"],
    )


@require_POST
@require(Action.REVIEW)
def review_undo(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Take the newest review of a label back."""
    review = get_object_or_404(Review.objects.select_related("demonstration", "ranking__task"), code=code)
    with refusals_said(request):
        reviews.undo_review(review=review, by=request.user)
        messages.success(request, DONE[Decision.REOPENED])
    if review.demonstration is not None:
        return redirect("review-detail", review.demonstration.code)
    return redirect("adjudication-list")
