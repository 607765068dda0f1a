"""The person behind a request."""

from rest_framework.request import Request

from labeling.errors import NotPermitted
from labeling.models import User


def user_of(request: Request) -> User:
    """Return the account that calls; anonymous callers never get past an endpoint's permissions."""
    if not isinstance(request.user, User):
        raise NotPermitted("Log in, or send a token.")
    return request.user
