"""Who may open an account: nobody by themselves; managers invite people."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class InvitationOnlyAdapter(DefaultAccountAdapter):
    """Close the public sign-up page; accounts are made by an invitation."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Answer no: an invitation makes the account."""
        return False


def login_name(request: HttpRequest | None, credentials: dict[str, str] | None = None) -> str | None:
    """Return the e-mail address that somebody tries to log in with, so that attempts on it are counted.

    The login page calls the field "login", the authentication backends "email" or "username".
    """
    for key in ("email", "username", "login"):
        if credentials and credentials.get(key):
            return credentials[key].lower()
    if request is not None and request.POST.get("login"):
        return request.POST["login"].lower()
    return None
