"""The cap on the prompts of one customer, seen and changed by staff."""

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect, render

from labeling.errors import LabelingError
from labeling.forms.author_caps import AuthorCapForm
from labeling.models import AuthorCap, Prompt
from labeling.rules import author_caps
from labeling.rules.access import Action
from labeling.views.access import PageRequest, require

LATEST = 10


@require(Action.IMPORT)
def author_cap(request: PageRequest) -> HttpResponseBase:
    """Show the cap and what it holds; another one is previewed, then set."""
    current = author_caps.current_cap()
    form = AuthorCapForm(request.POST if request.method == "POST" else None, initial={"cap": current})
    preview = None
    if form.is_valid():
        cap = form.cleaned_data["cap"]
        if "preview" in request.POST:
            preview = author_caps.look_at_cap(cap)
        else:
            try:
                change = author_caps.change_author_cap(cap=cap, by=request.user)
            except LabelingError as error:
                form.add_error(None, error.message)
            else:
                messages.success(
                    request,
                    f"The cap is {cap}: {change.held} more held, {change.lifted} released. None was lost.",
                )
                return redirect("author-cap")
    held = Prompt.objects.filter(held_reason=author_caps.OVER_CAP)
    context = {
        "form": form,
        "current": current,
        "held": held.count(),
        "authors": held.order_by().values("author_key").distinct().count(),
        "preview": preview,
        "settings": AuthorCap.objects.select_related("set_by")[:LATEST],
    }
    return render(request, "author_caps/change.html", context, status=422 if form.errors else 200)
