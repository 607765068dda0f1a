"""Quality of labels, for staff: the figures of the pages, for programs."""

from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import NotFound
from labeling.rules.access import Action
from labeling.rules.quality_reports import SECTIONS, report

REFUSALS = {403: ErrorBody, 404: ErrorBody}


class QualityBody(Body):
    """Figures as of a time; their names and definitions stand in docs/agreement.md."""

    section = serializers.ChoiceField(choices=tuple(SECTIONS))
    as_of = serializers.DateTimeField()
    newer = serializers.IntegerField(help_text="Rankings made since that are not counted yet.")
    figures = serializers.DictField(allow_null=True, help_text="Null while they are computed the first time.")


class LabelerQualityBody(Body):
    """One labeler's figures as of a time."""

    as_of = serializers.DateTimeField()
    figures = serializers.DictField()


class Quality(APIView):
    """A section of the quality pages."""

    permission_classes = (Requires(Action.SEE_AGREEMENT),)

    @extend_schema(
        parameters=[OpenApiParameter("section", str, OpenApiParameter.PATH, enum=tuple(SECTIONS))],
        responses={200: QualityBody, **REFUSALS},
        tags=["quality"],
    )
    def get(self, request: Request, section: str) -> Response:
        """Return agreement with its slices, pairs, labelers, ratings and flags, disagreements, or drift."""
        if section not in SECTIONS:
            raise NotFound(f'There is no section "{section}"; there is {", ".join(SECTIONS)}.')
        found = report(section)
        return Response(
            {"section": section, "as_of": found.as_of, "newer": found.newer, "figures": found.body}
        )


class LabelerQuality(APIView):
    """One labeler."""

    permission_classes = (Requires(Action.SEE_AGREEMENT),)

    @extend_schema(responses={200: LabelerQualityBody, **REFUSALS}, tags=["quality"])
    def get(self, request: Request, code: UUID) -> Response:
        """Return one labeler's figures. They are reasons to look at work, not verdicts."""
        found = report("labelers")
        rows = found.body["labelers"] if found.body else []
        row = next((row for row in rows if row["code"] == str(code)), None)
        if row is None:
            raise NotFound("There is no such labeler, or they have not ranked yet.")
        return Response({"as_of": found.as_of, "figures": row})
