"""One's own account, and what managers and owners do about the accounts of others."""

from uuid import UUID

from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.db.models import Exists, OuterRef
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from knox.models import AuthToken

from labeling.errors import LabelingError
from labeling.forms.accounts import ProfileForm
from labeling.models import Labeler, Role, User
from labeling.rules import accounts
from labeling.rules.access import Action, labeler_of
from labeling.views.access import PageRequest, require


@never_cache
@require()
def account(request: PageRequest) -> HttpResponseBase:
    """Show one's own account: name and time zone, password, second factor, sessions, tokens."""
    user = request.user
    initial = {"name": user.name, "time_zone": user.time_zone}
    form = ProfileForm(request.POST if request.method == "POST" else None, initial=initial)
    if form.is_valid():
        try:
            accounts.change_profile(user=user, **form.cleaned_data)
        except LabelingError as error:
            form.add_error(None, error.message)
        else:
            messages.success(request, "Saved.")
            return redirect("account")
    return account_page(request, form)


def account_page(request: PageRequest, form: ProfileForm, token: str = "") -> HttpResponse:
    user = request.user
    context = {
        "form": form,
        "labeler": labeler_of(user),
        "has_second_factor": is_mfa_enabled(user),
        "is_staff": accounts.is_staff(user),
        "requires_second_factor": settings.REQUIRE_TWO_FACTOR,
        "sessions": UserSession.objects.filter(user=user).order_by("-created_at"),
        "session_key": request.session.session_key,
        "tokens": AuthToken.objects.filter(user=user).order_by("-created"),
        "token": token,
        "consent": user.consents.select_related("terms").first(),
    }
    return render(request, "account/account.html", context, status=422 if form.is_bound else 200)


@never_cache
@require_POST
@require()
def token_change(request: PageRequest) -> HttpResponseBase:
    """Make a token for programs, which is shown once, or end all of one's tokens."""
    if request.POST.get("do") == "end":
        ended, _ = AuthToken.objects.filter(user=request.user).delete()
        messages.success(request, f"{ended} token{'s' * (ended != 1)} ended.")
        return redirect("account")
    try:
        _, token = accounts.create_token(user=request.user, by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
        return redirect("account")
    form = ProfileForm(initial={"name": request.user.name, "time_zone": request.user.time_zone})
    return account_page(request, form, token)


@require_POST
@require()
def log_out_everywhere(request: PageRequest) -> HttpResponseBase:
    """End one's sessions: the others, or all with this one."""
    if request.POST.get("do") == "all":
        accounts.end_sessions(user=request.user, but=request.session.session_key)
        logout(request)
        return redirect("account_login")
    ended = accounts.end_sessions(user=request.user, but=request.session.session_key)
    messages.success(request, f"Logged out in {ended} other place{'s' * (ended != 1)}.")
    return redirect("account")


@require()
def two_factor(request: PageRequest) -> HttpResponseBase:
    """Say why a second factor is needed and how it is set up; with one, lead on."""
    onwards = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(onwards, allowed_hosts={request.get_host()}):
        onwards = reverse("home")
    if is_mfa_enabled(request.user):
        return redirect(onwards)
    return render(request, "account/two_factor.html", {"next": onwards})


@require(Action.MANAGE_STAFF)
def staff_list(request: PageRequest) -> HttpResponseBase:
    """List the accounts that see more than their own work."""
    factor = Authenticator.objects.filter(user=OuterRef("pk"), type=Authenticator.Type.TOTP)
    staff = User.objects.exclude(role=Role.LABELER, is_staff=False).annotate(has_factor=Exists(factor))
    context = {"staff": staff.order_by("-is_active", "email"), "is_required": settings.REQUIRE_TWO_FACTOR}
    return render(request, "staff/list.html", context)


STEPS = {
    "remove_factor": (accounts.remove_second_factor, "has no second factor any more"),
    "close": (accounts.close_account, "is closed"),
    "open": (accounts.open_account, "is open again"),
}


@never_cache
@require_POST
@require(Action.MANAGE_STAFF)
def staff_change(request: PageRequest, number: int) -> HttpResponseBase:
    """Close or open an account, take off a lost second factor, or make a link for a new password."""
    user = get_object_or_404(User.objects.exclude(role=Role.LABELER, is_staff=False), pk=number)
    do = request.POST.get("do", "")
    if do == "password":
        return password_page(request, user)
    if do in STEPS:
        change, what = STEPS[do]
        try:
            change(user=user, by=request.user)
        except LabelingError as error:
            messages.error(request, error.message)
        else:
            messages.success(request, f"The account of {user.email} {what}.")
    return redirect("staff-list")


@never_cache
@require_POST
@require(Action.MANAGE_LABELERS)
def password_link(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Make a link with which a labeler sets a new password; it is shown once."""
    labeler = get_object_or_404(Labeler.objects.select_related("user"), code=code)
    return password_page(request, labeler.user)


def password_page(request: PageRequest, user: User) -> HttpResponseBase:
    try:
        key = accounts.password_link(user=user, by=request.user)
    except LabelingError as error:
        messages.error(request, error.message)
        labeler = labeler_of(user)
        return redirect("labeler-detail", labeler.code) if labeler else redirect("home")
    uid, _, secret = key.partition("-")
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": secret})
    context = {"who": user, "link": request.build_absolute_uri(path)}
    return render(request, "account/password_link.html", context)
