"""Use cases, for staff."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import NotFound
from labeling.models import UseCase
from labeling.rules import use_cases
from labeling.rules.access import Action


class UseCaseBody(Body):
    """What somebody wants a model for."""

    code = serializers.UUIDField(read_only=True)
    text = serializers.CharField(max_length=use_cases.MAX_CHARACTERS)
    created_at = serializers.DateTimeField(read_only=True)
    retired_at = serializers.DateTimeField(read_only=True, allow_null=True)


def use_case_body(use_case: UseCase) -> dict[str, Any]:
    """Return a use case as the API shows it."""
    return {
        "code": str(use_case.code),
        "text": use_case.text,
        "created_at": use_case.created_at,
        "retired_at": use_case.retired_at,
    }


class UseCaseList(generics.GenericAPIView[UseCase]):
    """Use cases that labelers write prompts for."""

    permission_classes = (Requires(Action.MANAGE_USE_CASES),)
    pagination_class = KeysetPagination
    serializer_class = UseCaseBody
    queryset = UseCase.objects.all()

    @extend_schema(responses={200: UseCaseBody(many=True), 403: ErrorBody}, tags=["prompts"])
    def get(self, request: Request) -> Response:
        """List use cases, newest first."""
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response([use_case_body(each) for each in page or []])

    @extend_schema(
        request=UseCaseBody, responses={201: UseCaseBody, 403: ErrorBody, 422: ErrorBody}, tags=["prompts"]
    )
    def post(self, request: Request) -> Response:
        """Add a use case."""
        body = UseCaseBody(data=request.data)
        body.is_valid(raise_exception=True)
        use_case = use_cases.add_use_case(text=body.validated_data["text"], by=user_of(request))
        return Response(use_case_body(use_case), status=status.HTTP_201_CREATED)


class Retire(APIView):
    """A use case that has served."""

    permission_classes = (Requires(Action.MANAGE_USE_CASES),)

    @extend_schema(
        request=None, responses={200: UseCaseBody, 403: ErrorBody, 404: ErrorBody}, tags=["prompts"]
    )
    def post(self, request: Request, code: UUID) -> Response:
        """Offer a use case to no further batch."""
        use_case = UseCase.objects.filter(code=code).first()
        if use_case is None:
            raise NotFound("There is no such use case.")
        return Response(use_case_body(use_cases.retire_use_case(use_case=use_case, by=user_of(request))))
