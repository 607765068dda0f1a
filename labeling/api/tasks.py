"""The next task."""

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.assignments import assignment_body
from labeling.api.permissions import HasLabelerProfile
from labeling.api.serializers import AssignmentBody, Body, Choice, ErrorBody
from labeling.api.throttles import ClaimThrottle
from labeling.errors import NotPermitted
from labeling.models import TaskKind
from labeling.rules import assignments
from labeling.rules.access import labeler_of


class NextRequest(Body):
    """The kind of task wanted."""

    kind = Choice(choices=TaskKind.choices)


class Next(APIView):
    """The queue."""

    permission_classes = (HasLabelerProfile,)  # whether they may take new work, the claim decides
    throttle_classes = (ClaimThrottle,)

    @extend_schema(
        request=NextRequest,
        responses={
            200: AssignmentBody,
            204: OpenApiResponse(
                description="Nothing is open for this person; Retry-After says when to ask."
            ),
            403: ErrorBody,
            422: ErrorBody,
            429: ErrorBody,
        },
        tags=["labeling"],
    )
    def post(self, request: Request) -> Response:
        """Lease the next assignment of a kind, or return the one held already."""
        labeler = labeler_of(request.user)
        if labeler is None:
            raise NotPermitted("This account has no labeler profile.")
        body = NextRequest(data=request.data)
        body.is_valid(raise_exception=True)
        kind: str = body.validated_data["kind"]
        assignment = assignments.claim_next(labeler=labeler, kind=kind)
        if assignment is None:
            seconds = assignments.retry_after(labeler=labeler, kind=kind)
            return Response(status=status.HTTP_204_NO_CONTENT, headers={"Retry-After": str(seconds)})
        return Response(assignment_body(assignment))
