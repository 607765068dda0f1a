"""A short way in for programs: requests with a token pass by what only pages need.

Sessions, forms' tokens, messages, second factors at login: none of it says anything about a request that
names its account by a token of its own.
"""

from collections.abc import Callable, Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class TokenRequests(WSGIHandler):
    """Django's handler with TOKEN_MIDDLEWARE in the place of MIDDLEWARE."""

    def load_middleware(self, is_async: bool = False) -> None:
        """Load the shorter list."""
        for_pages = settings.MIDDLEWARE
        settings.MIDDLEWARE = settings.TOKEN_MIDDLEWARE
        try:
            super().load_middleware(is_async)
        finally:
            settings.MIDDLEWARE = for_pages


def with_short_way(pages: Application) -> Application:
    """Return an application that answers API requests with a token, and leaves the others to `pages`."""
    tokens = TokenRequests()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return (tokens if has_token(environ) else pages)(environ, start_response)

    return application


def has_token(environ: dict[str, Any]) -> bool:
    """Return whether a request is to the API and names a token, right or wrong."""
    is_api: bool = environ.get("PATH_INFO", "").startswith("/api/")
    return is_api and environ.get("HTTP_AUTHORIZATION", "")[:6].lower() == "token "
