"""Tokens for programs: made by somebody who is logged in, shown once, stored as a hash."""

from drf_spectacular.utils import OpenApiResponse, extend_schema
from knox.models import AuthToken
from rest_framework import serializers, status
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.serializers import Body, ErrorBody
from labeling.rules import accounts, audit


class TokenBody(Body):
    """A token; send it as `Authorization: Token …`."""

    token = serializers.CharField(help_text="Shown only now.")
    expires_at = serializers.DateTimeField(allow_null=True)


class Tokens(APIView):
    """The caller's own tokens. A token cannot make or end tokens: that takes a login."""

    authentication_classes = (SessionAuthentication,)
    permission_classes = (IsAuthenticated,)

    @extend_schema(request=None, responses={201: TokenBody, 403: ErrorBody}, tags=["tokens"])
    def post(self, request: Request) -> Response:
        """Make a token for programs that act for the caller."""
        user = user_of(request)
        row, token = accounts.create_token(user=user, by=user)
        return Response({"token": token, "expires_at": row.expiry}, status=status.HTTP_201_CREATED)

    @extend_schema(
        responses={204: OpenApiResponse(description="All ended."), 403: ErrorBody}, tags=["tokens"]
    )
    def delete(self, request: Request) -> Response:
        """End all of the caller's tokens."""
        user = user_of(request)
        AuthToken.objects.filter(user=user).delete()
        audit.record(actor=user, action="end_tokens", obj=user)
        return Response(status=status.HTTP_204_NO_CONTENT)
