"""The terms of work: read and accepted by labelers, published by managers."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

from labeling.errors import LabelingError
from labeling.forms.areas import Area
from labeling.models import Consent, Terms
from labeling.rules import terms
from labeling.rules.access import Action
from labeling.views.access import PageRequest, require


class TermsForm(forms.Form):
    """The next version of the terms."""

    title = forms.CharField(max_length=120, initial="Terms of work")
    body = forms.CharField(label="Text", widget=Area(attrs={"rows": 18}), help_text="Markdown.", strip=False)


@require()
def accept(request: PageRequest) -> HttpResponseBase:
    """Show the terms as they are now; posting accepts the version that was shown."""
    current = Terms.objects.current()
    onwards = request.POST.get("next") or request.GET.get("next") or ""
    if not url_has_allowed_host_and_scheme(onwards, allowed_hosts={request.get_host()}):
        onwards = reverse("home")
    if request.method == "POST":
        version = request.POST.get("version", "")
        try:
            terms.accept_terms(user=request.user, version=int(version) if version.isdecimal() else 0)
        except LabelingError as error:
            messages.error(request, error.message)
            return redirect("terms-accept")
        messages.success(request, "Thank you. Your consent is recorded.")
        return redirect(onwards)
    consent = Consent.objects.filter(user=request.user, terms=current).first() if current else None
    context = {
        "terms": current,
        "consent": consent,
        "earlier": Consent.objects.filter(user=request.user).select_related("terms"),
        "next": onwards,
    }
    return render(request, "terms/accept.html", context)


@require(Action.PUBLISH_TERMS)
def terms_list(request: PageRequest) -> HttpResponseBase:
    """List the versions with how many accepted each."""
    context = {"versions": Terms.objects.select_related("published_by").annotate(accepted=Count("consents"))}
    return render(request, "terms/list.html", context)


@require(Action.PUBLISH_TERMS)
def terms_publish(request: PageRequest) -> HttpResponseBase:
    """Publish the next version, starting from the current one."""
    current = Terms.objects.current()
    initial = {"title": current.title, "body": current.body} if current else {}
    form = TermsForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            published = terms.publish_terms(by=request.user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(None, error.message)
        else:
            messages.success(
                request, f"Version {published.version} is published. Labelers accept it before new work."
            )
            return redirect("terms-list")
    context = {"form": form, "current": current}
    return render(request, "terms/publish.html", context, status=422 if form.is_bound else 200)


@require()
def terms_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show one version to anybody who is logged in."""
    return render(request, "terms/detail.html", {"terms": get_object_or_404(Terms, code=code)})
