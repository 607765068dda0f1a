"""Anchors, for staff: sets of fixed comparisons made, listed and retired."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import InvalidInput, NotFound
from labeling.models import AnchorSet, Policy, TaskKind
from labeling.rules import anchors
from labeling.rules.access import Action

REFUSALS = {403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody}


class AnchorSetRequest(Body):
    """Which policies' responses to fix, for how many prompts."""

    name = serializers.CharField(max_length=120)
    watched = serializers.CharField(help_text="Name of the policy whose win share is watched.")
    against = serializers.CharField(help_text="Name of the policy it stands beside.")
    count = serializers.IntegerField(min_value=1, max_value=anchors.MAX_ANCHORS)
    kind = Choice(choices=TaskKind.choices, default=TaskKind.COMPARISON.value)
    description = serializers.CharField(required=False, allow_blank=True, default="", max_length=300)
    seed = serializers.IntegerField(default=0, min_value=0)


class AnchorSetBody(Body):
    """A set of fixed comparisons."""

    code = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.CharField()
    description = serializers.CharField(allow_blank=True)
    anchors = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    retired_at = serializers.DateTimeField(allow_null=True)


class AnchorSetList(APIView):
    """Sets of anchors."""

    permission_classes = (Requires(Action.MANAGE_BATCHES),)

    @extend_schema(responses={200: AnchorSetBody(many=True), 403: ErrorBody}, tags=["batches"])
    def get(self, request: Request) -> Response:
        """List sets, newest first."""
        rows = AnchorSet.objects.prefetch_related("anchors")
        pages = KeysetPagination()
        page = pages.paginate_queryset(rows, request, self) or []
        return pages.get_paginated_response([_body(each) for each in page])

    @extend_schema(request=AnchorSetRequest, responses={201: AnchorSetBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request) -> Response:
        """Make a set from prompts that two policies have answered."""
        body = AnchorSetRequest(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        for side in ("watched", "against"):
            policy = Policy.objects.filter(name=given[side]).first()
            if policy is None:
                raise InvalidInput(f'There is no policy named "{given[side]}".', fields={side: "unknown"})
            given[side] = policy
        made = anchors.make_anchor_set(by=user_of(request), **given)
        return Response(_body(made), status=status.HTTP_201_CREATED)


class RetireAnchorSet(APIView):
    """A set that has served."""

    permission_classes = (Requires(Action.MANAGE_BATCHES),)

    @extend_schema(request=None, responses={200: AnchorSetBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Offer a set for no further batch."""
        found = AnchorSet.objects.filter(code=code).first()
        if found is None:
            raise NotFound("There is no such set of anchors.")
        anchors.retire_anchor_set(anchor_set=found, by=user_of(request))
        found.refresh_from_db()
        return Response(_body(found))


def _body(anchor_set: AnchorSet) -> dict[str, Any]:
    return {
        "code": str(anchor_set.code),
        "name": anchor_set.name,
        "kind": anchor_set.kind,
        "description": anchor_set.description,
        "anchors": len(anchor_set.anchors.all()),
        "created_at": anchor_set.created_at,
        "retired_at": anchor_set.retired_at,
    }
