"""Surveys, for staff: rounds opened and closed, and their counts. No answer leads back to anybody."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import NotFound
from labeling.models import Survey
from labeling.rules import surveys
from labeling.rules.access import Action

REFUSALS = {403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody}


class OptionBody(Body):
    """How many chose an option; options that fewer than five chose are put together."""

    option = serializers.CharField()
    count = serializers.IntegerField()
    fraction = serializers.FloatField(allow_null=True)


# Written as a call because a class cannot have attributes named as some of its base's.
QuestionBody = inline_serializer(
    "SurveyQuestion",
    {
        "label": serializers.CharField(),
        "several": serializers.BooleanField(),
        "answered": serializers.IntegerField(),
        "options": OptionBody(many=True),
        "is_hidden": serializers.BooleanField(help_text="Fewer than five answered it."),
    },
    many=True,
)


class SurveyBody(Body):
    """One round."""

    code = serializers.UUIDField()
    kind = Choice(choices=Survey.Kind.choices)
    number = serializers.IntegerField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)
    participants = serializers.IntegerField()


class SurveyResultBody(SurveyBody):
    """One round with its counts: empty until it is closed."""

    questions = QuestionBody


class SurveyRequest(Body):
    """Which survey to open the next round of."""

    kind = Choice(choices=Survey.Kind.choices)


class SurveyList(APIView):
    """Rounds of surveys."""

    permission_classes = (Requires(Action.SEE_SURVEYS, write=Action.RUN_SURVEYS),)

    @extend_schema(responses={200: SurveyBody(many=True), 403: ErrorBody}, tags=["labelers"])
    def get(self, request: Request) -> Response:
        """List rounds, newest first."""
        pages = KeysetPagination()
        page = pages.paginate_queryset(Survey.objects.all(), request, self) or []
        return pages.get_paginated_response([_body(each) for each in page])

    @extend_schema(request=SurveyRequest, responses={201: SurveyBody, **REFUSALS}, tags=["labelers"])
    def post(self, request: Request) -> Response:
        """Open the next round of a survey."""
        body = SurveyRequest(data=request.data)
        body.is_valid(raise_exception=True)
        opened = surveys.open_survey(by=user_of(request), **body.validated_data)
        return Response(_body(opened), status=status.HTTP_201_CREATED)


class SurveyResult(APIView):
    """One round's counts."""

    permission_classes = (Requires(Action.SEE_SURVEYS),)

    @extend_schema(responses={200: SurveyResultBody, **REFUSALS}, tags=["labelers"])
    def get(self, request: Request, code: UUID) -> Response:
        """Return the counts of a closed round, small groups put together."""
        survey = _survey(code)
        return Response({**_body(survey), "questions": [asdict(each) for each in surveys.results_of(survey)]})


class CloseSurvey(APIView):
    """The end of a round."""

    permission_classes = (Requires(Action.RUN_SURVEYS),)

    @extend_schema(request=None, responses={200: SurveyBody, **REFUSALS}, tags=["labelers"])
    def post(self, request: Request, code: UUID) -> Response:
        """Close a round: nobody answers any more, and results can be seen."""
        survey = _survey(code)
        surveys.close_survey(survey=survey, by=user_of(request))
        survey.refresh_from_db()
        return Response(_body(survey))


def _survey(code: UUID) -> Survey:
    found = Survey.objects.filter(code=code).first()
    if found is None:
        raise NotFound("There is no such round.")
    return found


def _body(survey: Survey) -> dict[str, Any]:
    return {
        "code": str(survey.code),
        "kind": survey.kind,
        "number": survey.number,
        "opened_at": survey.opened_at,
        "closed_at": survey.closed_at,
        "participants": survey.participations.count(),
    }
