"""What labelers flagged, for staff: listed by source, and answered."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import NotFound
from labeling.models import FlagAnswer, Ranking, ResponseReport, Skip
from labeling.rules import flags
from labeling.rules.access import Action

REFUSALS = {403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody}
SOURCE = OpenApiParameter("source", str, OpenApiParameter.PATH, enum=list(flags.SOURCES))


class FlagBody(Body):
    """One flag. Who raised it is not said."""

    code = serializers.UUIDField(help_text="For its answer.")
    batch = serializers.UUIDField()
    prompt = serializers.UUIDField(allow_null=True)
    response = serializers.UUIDField(allow_null=True, help_text="Only where one response was reported.")
    reason = serializers.CharField(allow_blank=True)
    note = serializers.CharField(allow_blank=True)
    notes = serializers.DictField(
        child=serializers.CharField(), help_text="Notes on single responses, by code."
    )
    answer = serializers.CharField(allow_null=True)


class FlagFilter(Body):
    """Open flags, or those that were answered."""

    state = Choice(choices=("open", "answered"), default="open")


class FlagAnswerRequest(Body):
    """An answer, or that nothing needs to be done."""

    outcome = Choice(choices=FlagAnswer.Outcome.choices, default=FlagAnswer.Outcome.ANSWERED.value)
    text = serializers.CharField(
        required=False, allow_blank=True, default="", max_length=flags.MAX_ANSWER_CHARACTERS
    )


class FlagList(APIView):
    """Flags of one source: skips, reports of responses, notes."""

    permission_classes = (Requires(Action.REVIEW),)

    @extend_schema(
        parameters=[SOURCE, FlagFilter], responses={200: FlagBody(many=True), **REFUSALS}, tags=["reviews"]
    )
    def get(self, request: Request, source: str) -> Response:
        """List flags, newest first."""
        wanted = FlagFilter(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        is_open = wanted.validated_data["state"] == "open"
        pages = KeysetPagination()
        if source == "skips":
            skips = pages.paginate_queryset(flags.skips_to_answer(is_open=is_open), request, self) or []
            bodies = [_skip_body(each) for each in skips]
        elif source == "reports":
            reports = pages.paginate_queryset(flags.reports_to_answer(is_open=is_open), request, self) or []
            bodies = [_report_body(each) for each in reports]
        elif source == "notes":
            rankings = pages.paginate_queryset(flags.notes_to_answer(is_open=is_open), request, self) or []
            bodies = [_notes_body(each) for each in rankings]
        else:
            raise _no_source(source)
        return pages.get_paginated_response(bodies)


class AnswerFlag(APIView):
    """An answer to one flag; the labeler reads it."""

    permission_classes = (Requires(Action.REVIEW),)

    @extend_schema(
        parameters=[SOURCE], request=FlagAnswerRequest, responses={204: None, **REFUSALS}, tags=["reviews"]
    )
    def post(self, request: Request, source: str, code: UUID) -> Response:
        """Answer a flag: a skip by its assignment's code, a report or a ranking by its own."""
        body = FlagAnswerRequest(data=request.data)
        body.is_valid(raise_exception=True)
        given = {"by": user_of(request), **body.validated_data}
        if source == "skips":
            skip = Skip.objects.filter(assignment__code=code).select_related("assignment").first()
            flags.answer_skip(skip=_known(skip), **given)
        elif source == "reports":
            flags.answer_report(report=_known(ResponseReport.objects.filter(code=code).first()), **given)
        elif source == "notes":
            flags.answer_note(ranking=_known(Ranking.objects.filter(code=code).first()), **given)
        else:
            raise _no_source(source)
        return Response(status=204)


def _known(flag: Any) -> Any:
    if flag is None:
        raise NotFound("There is no such flag.")
    return flag


def _no_source(source: str) -> NotFound:
    return NotFound(f'There is no source "{source}"; there is {", ".join(flags.SOURCES)}.')


def _skip_body(skip: Skip) -> dict[str, Any]:
    slot = skip.assignment
    answer = getattr(skip, "answer", None)
    return {
        "code": str(slot.code),
        "batch": str(slot.batch.code),
        "prompt": str(slot.task.prompt.code) if slot.task.prompt else None,
        "response": None,
        "reason": skip.reason,
        "note": skip.note,
        "notes": {},
        "answer": (answer.text or flags.NO_ACTION) if answer else None,
    }


def _report_body(report: ResponseReport) -> dict[str, Any]:
    slot = report.assignment
    return {
        "code": str(report.code),
        "batch": str(slot.batch.code),
        "prompt": str(slot.task.given_prompt.code),
        "response": str(report.response.code),
        "reason": report.reason,
        "note": report.note,
        "notes": {},
        "answer": report.answer if report.answered_at else None,
    }


def _notes_body(ranking: Ranking) -> dict[str, Any]:
    answer = getattr(ranking, "answer", None)
    return {
        "code": str(ranking.code),
        "batch": str(ranking.task.batch.code),
        "prompt": str(ranking.task.given_prompt.code),
        "response": None,
        "reason": "",
        "note": ranking.notes,
        "notes": {str(place.response.code): place.note for place in ranking.places.all() if place.note},
        "answer": (answer.text or flags.NO_ACTION) if answer else None,
    }
