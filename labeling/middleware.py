"""What happens around every page."""

import zoneinfo
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode

from labeling.models import User
from labeling.rules.accounts import lacks_second_factor


class TimeZoneMiddleware:
    """Show times in the zone of whoever is looking."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = getattr(request.user, "time_zone", "")
        try:
            zone = zoneinfo.ZoneInfo(name) if name else None
        except (ValueError, zoneinfo.ZoneInfoNotFoundError):
            zone = None
        with timezone.override(zone):
            return self.get_response(request)


class TwoFactorMiddleware:
    """Lead staff without the second factor that is required to where they set it up; all else waits.

    The one place that asks for it, for pages, API and admin alike.
    """

    OPEN = frozenset(
        {
            "two-factor",
            "account_logout",
            "account_reauthenticate",
            "mfa_index",
            "mfa_activate_totp",
            "mfa_reauthenticate",
            "mfa_view_recovery_codes",
            "mfa_generate_recovery_codes",
            "mfa_download_recovery_codes",
            "healthz",
        }
    )

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: object) -> HttpResponse | None:
        """Answer in the view's place where the second factor is missing."""
        match, user = request.resolver_match, request.user
        if match is None or match.url_name in self.OPEN or not isinstance(user, User):
            return None
        if not lacks_second_factor(user):
            return None
        if request.path.startswith("/api/"):
            body = {
                "code": "two_factor_required",
                "message": "Set up a second factor for this account first, on its account page.",
                "fields": {},
            }
            return JsonResponse(body, status=403)
        return redirect(f"{reverse('two-factor')}?{urlencode({'next': request.get_full_path()})}")


class WrongMethodMiddleware:
    """Answer with a page where somebody opens an address that only takes what a form sends."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if response.status_code != 405 or response.content or request.path.startswith("/api/"):
            return response
        page = render(request, "405.html", status=405)
        page["Allow"] = response["Allow"]
        return page
