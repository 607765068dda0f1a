"""The screening, for labelers who take it by program."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.permissions import HasLabelerProfile
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import NotFound, NotPermitted
from labeling.models import Labeler, ScreeningAttempt, ScreeningItem
from labeling.rules import screening
from labeling.rules.access import labeler_of
from labeling.rules.screening import Step
from labeling.rules.work_time import MAX_HEARTBEAT_SECONDS

REFUSALS = {403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody}


class ShownText(Body):
    """A response to rank; `position` is its place in `ranks`."""

    position = serializers.IntegerField()
    text = serializers.CharField()


class ScreeningItemBody(Body):
    """One item as the labeler meets it; training items carry the researchers' answer once checked."""

    code = serializers.UUIDField()
    part = Choice(choices=ScreeningItem.Part.choices)
    is_training = serializers.BooleanField()
    text = serializers.CharField()
    responses = ShownText(many=True)
    answer = serializers.DictField(allow_null=True)
    is_done = serializers.BooleanField()
    reference = serializers.DictField(allow_null=True)
    explanation = serializers.CharField(allow_null=True)


class ScreeningBody(Body):
    """How far a screening is."""

    code = serializers.UUIDField()
    state = Choice(choices=ScreeningAttempt.State.choices)
    introduction = serializers.CharField()
    topics_offered = serializers.ListField(child=serializers.CharField())
    groups_offered = serializers.ListField(child=serializers.CharField())
    topics = serializers.ListField(child=serializers.CharField())
    groups = serializers.ListField(child=serializers.CharField())
    has_coverage = serializers.BooleanField()
    items = ScreeningItemBody(many=True)


class ScreeningAnswerRequest(Body):
    """An answer: `is_sensitive`, or `ranks` by position, or `text`; a draft with `is_complete` false."""

    is_sensitive = serializers.BooleanField(required=False)
    ranks = serializers.ListField(child=serializers.IntegerField(allow_null=True), required=False)
    text = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    is_complete = serializers.BooleanField(default=True)


class CoverageRequest(Body):
    """Part 4."""

    topics = serializers.ListField(child=serializers.CharField(), default=list)
    groups = serializers.ListField(child=serializers.CharField(), default=list)
    note = serializers.CharField(allow_blank=True, default="", max_length=2000)


class ScreeningView(APIView):
    """What the calls on one's own screening share."""

    permission_classes = (HasLabelerProfile,)

    def attempt(self, request: Request) -> ScreeningAttempt:
        """Return the caller's attempt, started by the first call."""
        return screening.begin_screening(labeler=_labeler(request))


class Overview(ScreeningView):
    """One's own screening."""

    @extend_schema(responses={200: ScreeningBody, **REFUSALS}, tags=["screening"])
    def get(self, request: Request) -> Response:
        """Return the screening with its items and what was answered."""
        return Response(screening_body(self.attempt(request)))


class Answer(ScreeningView):
    """One item."""

    @extend_schema(
        request=ScreeningAnswerRequest, responses={200: ScreeningItemBody, **REFUSALS}, tags=["screening"]
    )
    def put(self, request: Request, code: UUID) -> Response:
        """Answer an item, or save a draft of the answer."""
        attempt = self.attempt(request)
        body = ScreeningAnswerRequest(data=request.data)
        body.is_valid(raise_exception=True)
        step = next((step for step in screening.steps(attempt) if step.item.code == code), None)
        if step is None:
            raise NotFound("There is no such item in your screening.")
        content = dict(body.validated_data)
        is_complete = content.pop("is_complete")
        answer = screening.save_answer(
            attempt=attempt, item=step.item, content=content, is_complete=is_complete
        )
        return Response(item_body(attempt, Step(step.item, answer)))


class Coverage(ScreeningView):
    """Part 4."""

    @extend_schema(request=CoverageRequest, responses={200: ScreeningBody, **REFUSALS}, tags=["screening"])
    def put(self, request: Request) -> Response:
        """Say which topics and groups one knows."""
        body = CoverageRequest(data=request.data)
        body.is_valid(raise_exception=True)
        return Response(
            screening_body(screening.save_coverage(attempt=self.attempt(request), **body.validated_data))
        )


class TimeRequest(Body):
    """Time at work since the last call."""

    active_seconds = serializers.IntegerField(min_value=0, max_value=MAX_HEARTBEAT_SECONDS)


class Time(ScreeningView):
    """Time at work, idle left out: it counts among the hours."""

    @extend_schema(request=TimeRequest, responses={204: None, **REFUSALS}, tags=["screening"])
    def post(self, request: Request) -> Response:
        """Add time at work."""
        body = TimeRequest(data=request.data)
        body.is_valid(raise_exception=True)
        screening.count_time(attempt=self.attempt(request), **body.validated_data)
        return Response(status=status.HTTP_204_NO_CONTENT)


class Submit(ScreeningView):
    """The end of it."""

    @extend_schema(request=None, responses={200: ScreeningBody, **REFUSALS}, tags=["screening"])
    def post(self, request: Request) -> Response:
        """Hand the screening in."""
        return Response(screening_body(screening.submit_screening(attempt=self.attempt(request))))


def screening_body(attempt: ScreeningAttempt) -> dict[str, Any]:
    """Return a screening as its labeler may see it."""
    return {
        "code": str(attempt.code),
        "state": attempt.state,
        "introduction": attempt.test.introduction,
        "topics_offered": attempt.test.topics,
        "groups_offered": attempt.test.groups,
        "topics": attempt.topics,
        "groups": attempt.groups,
        "has_coverage": attempt.has_coverage,
        "items": [item_body(attempt, step) for step in screening.steps(attempt)],
    }


def item_body(attempt: ScreeningAttempt, step: Step) -> dict[str, Any]:
    """Return an item; what researchers answered only once a training item was checked."""
    item = step.item
    shown = screening.shown_responses(attempt, item)
    return {
        "code": str(item.code),
        "part": item.part,
        "is_training": item.use == ScreeningItem.Use.TRAINING,
        "text": item.text,
        "responses": [{"position": position, "text": text} for position, text in shown],
        "answer": step.answer.content if step.answer else None,
        "is_done": step.is_done,
        "reference": item.reference if step.is_checked else None,
        "explanation": item.explanation if step.is_checked else None,
    }


def _labeler(request: Request) -> Labeler:
    labeler = labeler_of(request.user)
    if labeler is None:
        raise NotPermitted("This account has no labeler profile.")
    return labeler
