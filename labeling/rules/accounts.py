"""Accounts: names, passwords, second factors, sessions and tokens."""

from datetime import timedelta

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.mfa.models import Authenticator
from allauth.mfa.utils import is_mfa_enabled
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.db import transaction
from knox.models import AuthToken

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import Labeler, Role, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure, labeler_of
from labeling.rules.texts import check_text

MAX_TOKEN_DAYS = 3650


def is_staff(user: User) -> bool:
    """Return whether an account can see more than its own work."""
    return user.role != Role.LABELER or user.is_staff or user.is_superuser


def lacks_second_factor(user: User) -> bool:
    """Return whether this account must set up a second factor before anything else.

    Staff must where REQUIRE_TWO_FACTOR says so: they see people's work and names.
    """
    return bool(settings.REQUIRE_TWO_FACTOR) and is_staff(user) and not is_mfa_enabled(user)


@transaction.atomic
def change_profile(*, user: User, name: str, time_zone: str) -> User:
    """Change one's own name and time zone."""
    user.name, user.time_zone = check_text(name, field="name").strip()[:120], time_zone
    user.save(update_fields=["name", "time_zone"])
    return user


def create_token(*, user: User, by: User | None, days: int = 90) -> tuple[AuthToken, str]:
    """Make a token for programs that act for `user`; returns its row and its text, which is stored as a hash.

    Raises NotPermitted for staff without the second factor that is required, InvalidInput for `days` out of
    1 to 3650.
    """
    if not 1 <= days <= MAX_TOKEN_DAYS:
        raise InvalidInput(f"A token works 1 to {MAX_TOKEN_DAYS} days.", fields={"days": "out of range"})
    if lacks_second_factor(user):
        raise NotPermitted(
            f"{user.email} must set up a second factor before there can be tokens.",
            code="two_factor_required",
        )
    row, token = AuthToken.objects.create(user, expiry=timedelta(days=days))
    audit.record(actor=by, action="create_token", obj=user, days=days)
    return row, token


@transaction.atomic
def password_link(*, user: User, by: User) -> str:
    """Return the key of a link with which `user` sets a new password, once, within three days.

    Managers make them for labelers, owners for everybody; no mail is needed. Raises NotPermitted, or
    Conflict for an account that nobody can log in with.
    """
    ensure(by, Action.MANAGE_STAFF if is_staff(user) else Action.MANAGE_LABELERS)
    labeler = labeler_of(user)
    if not user.is_active or (labeler is not None and (labeler.is_external or labeler.is_simulated)):
        raise Conflict("Nobody can log in with this account.")
    audit.record(actor=by, action="make_password_link", obj=labeler or user)
    return f"{user_pk_to_url_str(user)}-{default_token_generator.make_token(user)}"


@transaction.atomic
def remove_second_factor(*, user: User, by: User) -> None:
    """Take a lost second factor off an account, and end its sessions; it must set up a new one."""
    ensure(by, Action.MANAGE_STAFF if is_staff(user) else Action.MANAGE_LABELERS)
    if Authenticator.objects.filter(user=user).delete()[0] == 0:
        raise Conflict("This account has no second factor.")
    end_sessions(user=user)
    audit.record(actor=by, action="remove_second_factor", obj=user)


@transaction.atomic
def close_account(*, user: User, by: User) -> None:
    """Close an account: nobody logs in with it, its sessions and tokens end; what it did stays.

    Raises Conflict for one's own account and for a closed one.
    """
    ensure(by, Action.MANAGE_STAFF)
    if user.pk == by.pk:
        raise Conflict("Nobody closes their own account; another owner can.")
    if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False) != 1:
        raise Conflict("This account is closed already.")
    end_sessions(user=user)
    AuthToken.objects.filter(user=user).delete()
    Labeler.objects.filter(user=user).exclude(status=Labeler.Status.ENDED).update(
        status=Labeler.Status.ENDED, status_reason="The account was closed."
    )
    audit.record(actor=by, action="close_account", obj=user)


@transaction.atomic
def open_account(*, user: User, by: User) -> None:
    """Open a closed account again. A labeler profile stays ended until a manager takes it back."""
    ensure(by, Action.MANAGE_STAFF)
    if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True) != 1:
        raise Conflict("This account is open.")
    audit.record(actor=by, action="open_account", obj=user)


def end_sessions(*, user: User, but: str | None = None) -> int:
    """Log an account out everywhere, except the session with key `but`; returns how many ended."""
    ended = 0
    for session in UserSession.objects.filter(user=user):
        if session.session_key != but:
            session.end()
            ended += 1
    return ended
