"""The front door, the labelers' start page, and the style guide."""

from django import forms
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse

from labeling.forms.areas import Area
from labeling.models import Labeler, Terms
from labeling.rules.access import Action, can, labeler_of
from labeling.views.access import PageRequest, require


@require()
def home(request: PageRequest) -> HttpResponseBase:
    """Send people to where their work is."""
    user = request.user
    if not can(user, Action.SEE_DASHBOARD):
        labeler = labeler_of(user)
        if labeler is None:
            return render(request, "home/nothing.html")
        if labeler.status != Labeler.Status.ENDED and Terms.objects.pending_for(user):
            return redirect("terms-accept")
        return redirect("screening" if labeler.status == Labeler.Status.SCREENING else "work")
    try:
        return redirect(reverse("dashboard" if can(user, Action.SEE_MODELS) else "batch-list"))
    except NoReverseMatch:
        return redirect("batch-list")


class ExampleForm(forms.Form):
    """The fields of the style guide: one empty, one filled, one wrong."""

    name = forms.CharField(help_text="What people will see.")
    k = forms.IntegerField(min_value=2, max_value=9, help_text="How many responses, 2 to 9.")
    kind = forms.ChoiceField(choices=(("comparison", "Comparison"), ("demonstration", "Demonstration")))
    cohorts = forms.MultipleChoiceField(
        choices=(("train", "Training labelers"), ("held_out", "Held-out labelers")),
        widget=forms.CheckboxSelectMultiple,
    )
    notes = forms.CharField(widget=Area(attrs={"rows": 2}), required=False)
    is_shared = forms.BooleanField(label="In the shared pool", required=False)


@require(Action.SEE_DASHBOARD)
def styleguide(request: HttpRequest) -> HttpResponse:
    form = ExampleForm({"name": "Round 2", "k": "12", "kind": "comparison", "cohorts": ["train"]})
    return render(request, "styleguide.html", {"form": form})
