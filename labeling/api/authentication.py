"""Tokens in a header; only their hashes are stored."""

from hmac import compare_digest
from typing import Any

from django.utils import timezone
from drf_spectacular.contrib.knox_auth_token import KnoxTokenScheme
from knox.auth import TokenAuthentication
from knox.crypto import hash_token
from knox.models import AuthToken
from knox.settings import CONSTANTS
from rest_framework.exceptions import AuthenticationFailed

from labeling.statements import Query

TOKENS = Query(
    lambda start: AuthToken.objects.filter(token_key=start).select_related("user__labeler"), start=str
)
KnoxTokenScheme.match_subclasses = True  # its description in the OpenAPI document fits ours


class HashedTokenAuthentication(TokenAuthentication):  # type: ignore[misc]  # the library has no types
    """Knox's tokens, with the account and its labeler profile in one statement.

    A header that is not even text is refused like any other wrong token.
    """

    def authenticate_credentials(self, token: bytes) -> Any:
        """Return the account and the token's row."""
        if not token.isascii() or b"\x00" in token:
            raise AuthenticationFailed("Invalid token.")
        text = token.decode()
        for row in TOKENS.all(start=text[: CONSTANTS.TOKEN_KEY_LENGTH]):
            if compare_digest(hash_token(text), row.digest):
                if row.expiry is not None and row.expiry < timezone.now():
                    return super().authenticate_credentials(token)  # which ends it, and refuses
                return self.validate_user(row)
        raise AuthenticationFailed("Invalid token.")
