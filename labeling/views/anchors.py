"""Anchors: listed, made, retired."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.anchors import AnchorSetForm
from labeling.models import AnchorSet
from labeling.rules import anchors
from labeling.rules.access import Action, can
from labeling.views.access import PageRequest, require
from labeling.views.refusals import refusals_said


@require(Action.SEE_BATCHES)
def anchor_list(request: PageRequest) -> HttpResponseBase:
    """List the sets of anchors; a manager makes one below."""
    may_manage = can(request.user, Action.MANAGE_BATCHES)
    form = AnchorSetForm(request.POST if request.method == "POST" and may_manage else None)
    if form.is_valid():
        try:
            made = anchors.make_anchor_set(by=request.user, **form.cleaned_data)
        except LabelingError as error:
            for field, fault in error.fields.items():
                form.add_error(field if field in form.fields else None, f"This {fault}.")
        else:
            messages.success(request, f"“{made}” can be chosen when a batch is made.")
            return redirect("anchor-list")
    sets = AnchorSet.objects.annotate(
        size=Count("anchors", distinct=True), batches=Count("anchors__tasks__batch", distinct=True)
    ).select_related("created_by")
    context = {"sets": sets, "form": form, "may_manage": may_manage}
    return render(request, "anchors/list.html", context, status=422 if form.is_bound else 200)


@require_POST
@require(Action.MANAGE_BATCHES)
def anchor_retire(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Offer a set no more."""
    anchor_set = get_object_or_404(AnchorSet, code=code)
    with refusals_said(request):
        anchors.retire_anchor_set(anchor_set=anchor_set, by=request.user)
        messages.success(request, f"“{anchor_set}” is retired; batches that hold it keep it.")
    return redirect("anchor-list")
