"""Use cases that labelers write prompts for."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Count, F
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.use_cases import UseCaseForm
from labeling.models import UseCase
from labeling.rules import use_cases
from labeling.rules.access import Action
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page


@require(Action.MANAGE_USE_CASES)
def use_case_list(request: PageRequest) -> HttpResponseBase:
    """List use cases with what was written for them, and add one."""
    form = UseCaseForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            use_cases.add_use_case(text=form.cleaned_data["text"], by=request.user)
        except LabelingError as error:
            form.add_error("text", error.message)
        else:
            messages.success(request, "Added. The next batch of user-based prompts can have it.")
            return redirect("use-case-list")
    rows = UseCase.objects.annotate(
        written=Count("written_prompts", distinct=True), wanted=Count("tasks", distinct=True)
    ).order_by(F("retired_at").desc(nulls_first=True), "-id")
    context = {"form": form, "page": one_page(request, rows)}
    return render(request, "use_cases/list.html", context, status=422 if form.is_bound else 200)


@require_POST
@require(Action.MANAGE_USE_CASES)
def use_case_retire(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Offer a use case to no further batch."""
    use_cases.retire_use_case(use_case=get_object_or_404(UseCase, code=code), by=request.user)
    messages.success(request, "Retired. Tasks that have it keep it.")
    return redirect("use-case-list")
