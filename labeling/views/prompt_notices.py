"""The notice that people read before their prompts are kept: its versions, and publishing the next."""

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render

from labeling.errors import LabelingError
from labeling.forms.prompt_notices import PromptNoticeForm
from labeling.models import PromptNotice
from labeling.rules import prompt_sources
from labeling.rules.access import Action
from labeling.views.access import PageRequest, require


@require(Action.PUBLISH_TERMS)
def notice_list(request: PageRequest) -> HttpResponseBase:
    """List the versions with how many prompts were given under each."""
    versions = PromptNotice.objects.select_related("published_by").annotate(given=Count("prompts"))
    return render(request, "prompt_notices/list.html", {"versions": versions})


@require(Action.PUBLISH_TERMS)
def notice_detail(request: PageRequest, version: int) -> HttpResponseBase:
    """Show one version as people read it."""
    notice = get_object_or_404(PromptNotice, version=version)
    return render(request, "prompt_notices/detail.html", {"notice": notice})


@require(Action.PUBLISH_TERMS)
def notice_publish(request: PageRequest) -> HttpResponseBase:
    """Publish the next version, starting from the current one; a preview shows it as people will read it."""
    current = prompt_sources.current_notice()
    initial = {"body": current.body} if current else {}
    form = PromptNoticeForm(request.POST if request.method == "POST" else None, initial=initial)
    preview = ""
    if form.is_valid():
        if "preview" in request.POST:
            preview = form.cleaned_data["body"]
        else:
            try:
                new = prompt_sources.publish_notice(by=request.user, body=form.cleaned_data["body"])
            except LabelingError as error:
                form.add_error(None, error.message)
            else:
                messages.success(
                    request,
                    f"Version {new.version} is published. Sources send it as the version consented to.",
                )
                return redirect("prompt-notice-list")
    context = {"form": form, "current": current, "preview": preview}
    return render(request, "prompt_notices/publish.html", context, status=422 if form.errors else 200)
