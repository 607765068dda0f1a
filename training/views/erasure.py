"""Erasing a person's prompts: a page that says what will happen, and asks for the reason."""

from django import forms
from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render

from labeling.errors import LabelingError
from labeling.models import Prompt
from labeling.rules.access import Action
from labeling.rules.erasure import ERASED, MAX_REASON_CHARACTERS
from labeling.rules.texts import counted
from labeling.views.access import PageRequest, require
from training.rules.erasure import erase_prompts_of


class EraseForm(forms.Form):
    """Why, and that it is meant."""

    reason = forms.CharField(max_length=MAX_REASON_CHARACTERS, help_text="Kept in the audit.")
    is_meant = forms.BooleanField(label="Erase these prompts for good")


@require(Action.MANAGE_LABELERS)
def author_erase(request: PageRequest, author_key: str) -> HttpResponseBase:
    """Erase all prompts of an author after a reason and a confirmation."""
    form = EraseForm(request.POST or None)
    if form.is_valid():
        try:
            done = erase_prompts_of(
                author_key=author_key, by=request.user, reason=form.cleaned_data["reason"]
            )
        except LabelingError as error:
            form.add_error(None, error.message)
        else:
            messages.success(
                request,
                f"Erased {counted(len(done.erasure.prompts), 'prompt')}; held by "
                f"{counted(len(done.datasets), 'dataset')}, seen by {counted(len(done.models), 'model')}.",
            )
            return redirect("prompt-list")
    prompts = Prompt.objects.filter(author_key=author_key).exclude(held_reason=ERASED)
    context = {"form": form, "author_key": author_key, "count": prompts.count()}
    return render(request, "prompts/erase.html", context, status=422 if form.is_bound else 200)
