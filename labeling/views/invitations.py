"""Accept an invitation."""

import zoneinfo

from allauth.account.signals import user_logged_in
from django.contrib.auth import login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache

from labeling.errors import InvalidInput, NotFound
from labeling.forms.labelers import InvitationForm
from labeling.models import User
from labeling.rules import labelers
from labeling.views.access import open_to_all

MODEL_BACKEND = "django.contrib.auth.backends.ModelBackend"


@open_to_all
@never_cache
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Make the invited person's account and log them in. The link works once."""
    try:
        invitation = labelers.invitation_for(token)
    except NotFound as error:
        return render(request, "invitations/closed.html", {"reason": error.message}, status=404)
    zones = zoneinfo.available_timezones()
    form = InvitationForm(
        request.POST if request.method == "POST" else None, invitation=invitation, time_zones=zones
    )
    if request.method == "POST" and form.is_valid():
        try:
            user = labelers.accept_invitation(token=token, **form.cleaned_data)
        except InvalidInput as error:
            field = next((name for name in error.fields if name in form.fields), None)
            form.add_error(field, error.message)
        except NotFound as error:
            return render(request, "invitations/closed.html", {"reason": error.message}, status=404)
        else:
            login(request, user, backend=MODEL_BACKEND)
            user_logged_in.send(sender=User, request=request, user=user)  # lists the session with the others
            return redirect("home")
    context = {"form": form, "invitation": invitation, "zones": sorted(zones)}
    return render(request, "invitations/accept.html", context, status=422 if form.is_bound else 200)
