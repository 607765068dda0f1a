"""Who may open a page: asks labeling.rules.access, sends strangers to the login page."""

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django_htmx.middleware import HtmxDetails

from labeling.models import Labeler, User
from labeling.rules.access import Action, Rule, labeler_of, refusal

P = ParamSpec("P")


class PageRequest(HttpRequest):
    """A request of somebody who is logged in."""

    user: User
    htmx: HtmxDetails


class LabelerRequest(PageRequest):
    """A request of somebody who labels."""

    labeler: Labeler


def require(
    *actions: Action,
    for_labelers: bool = False,
) -> Callable[
    [Callable[Concatenate[PageRequest, P], HttpResponseBase]],
    Callable[Concatenate[HttpRequest, P], HttpResponseBase],
]:
    """Let in whoever may do one of the actions, or labels where it is `for_labelers`; others get a 403.

    Strangers get the login page.
    """
    rule = Rule(actions=actions, for_labelers=for_labelers)

    def decorate(
        view: Callable[Concatenate[PageRequest, P], HttpResponseBase],
    ) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
        @wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not rule.lets_in(request.user):
                raise PermissionDenied
            return view(request, *args, **kwargs)  # type: ignore[arg-type]

        return declared(guarded, rule)

    return decorate


def require_labeler(
    view: Callable[Concatenate[LabelerRequest, P], HttpResponseBase],
) -> Callable[Concatenate[HttpRequest, P], HttpResponseBase]:
    """Let in whoever has a labeler profile, paused or not; what they may do then is for the rules."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        if not request.user.is_authenticated:
            return redirect_to_login(request.get_full_path())
        labeler = labeler_of(request.user)
        if labeler is None:
            raise PermissionDenied
        request.labeler = labeler  # type: ignore[attr-defined]
        return view(request, *args, **kwargs)  # type: ignore[arg-type]

    return declared(guarded, Rule(for_labelers=True))


def open_to_all(view: Callable[P, HttpResponseBase]) -> Callable[P, HttpResponseBase]:
    """Say of a view that strangers may open it."""
    return declared(view, Rule(is_open=True))


def declared(view: Callable[P, HttpResponseBase], rule: Rule) -> Callable[P, HttpResponseBase]:
    """Write a view's rule on it, where the test of every address and the page of refusals read it."""
    view.rule = rule  # type: ignore[attr-defined]
    return view


def refused(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403 with a page that says why, and who could help."""
    match = request.resolver_match
    rule = getattr(match.func, "rule", None) if match else None
    reason = ""
    if isinstance(rule, Rule):
        writes = request.method not in ("GET", "HEAD", "OPTIONS")
        if not rule.lets_in(request.user, writes=writes):
            needed = rule.actions or (Action.LABEL,)
            reason = refusal(request.user, *needed).message
    return render(request, "403.html", {"reason": reason}, status=403)
