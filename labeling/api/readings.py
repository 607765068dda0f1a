"""Readings of a task in hand: stored once, and answered with the prompt."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.assignments import REFUSALS, AssignmentView, assignment_body
from labeling.api.serializers import AssignmentBody, Body, ReadingBody
from labeling.rules import readings
from labeling.rules.readings import Said


class ReadingsRequest(Body):
    """What the labeler says of each response, each of the K once."""

    readings = ReadingBody(many=True)


class Readings(AssignmentView):
    """What comes before the prompt."""

    @extend_schema(request=ReadingsRequest, responses={200: AssignmentBody, **REFUSALS}, tags=["labeling"])
    def post(self, request: Request, code: UUID) -> Response:
        """Store what each response seems to say; answers with the prompt. The first to come stand."""
        body = ReadingsRequest(data=request.data)
        assignment = self.own(request, code)
        body.is_valid(raise_exception=True)
        said = [Said(**each) for each in body.validated_data["readings"]]
        readings.store_readings(assignment=assignment, said=said)
        return Response(assignment_body(self.own(request, code)))
