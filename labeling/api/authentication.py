"""Tokens in a header; only their hashes are stored."""

from typing import Any

from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed

KnoxTokenScheme.match_subclasses = True  # its description in the OpenAPI document fits ours


class HashedTokenAuthentication(TokenAuthentication):  # type: ignore[misc]  # the library has no types
    """Knox's tokens; a header that is not even text is refused like any other wrong token."""

    def authenticate_credentials(self, token: bytes) -> Any:
        """Return the account and the token's row."""
        if not token.isascii() or b"\x00" in token:
            raise AuthenticationFailed("Invalid token.")
        return super().authenticate_credentials(token)
