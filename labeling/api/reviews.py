"""Reviews of demonstrations, for staff: the queue, and decisions."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import NotFound
from labeling.models import LIKERT_MAX, LIKERT_MIN, Demonstration, Review
from labeling.rules import reviews
from labeling.rules.access import Action

REFUSALS = {403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody}


class ReviewedBody(Body):
    """A demonstration with what was decided about it. Who wrote it is not said."""

    code = serializers.UUIDField()
    prompt = serializers.CharField(source="prompt.text")
    text = serializers.CharField()
    revision = serializers.IntegerField()
    decision = serializers.CharField(allow_null=True)
    grade = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()


class ReviewRequest(Body):
    """A decision. `fixed` needs the text; `returned` and `excluded` need a comment."""

    decision = Choice(choices=Review.Decision.choices)
    grade = serializers.IntegerField(
        required=False, allow_null=True, min_value=LIKERT_MIN, max_value=LIKERT_MAX
    )
    comment = serializers.CharField(required=False, allow_blank=True, default="")
    text = serializers.CharField(required=False, trim_whitespace=False)


class ReviewBody(serializers.ModelSerializer[Review]):
    """A review as it was recorded."""

    class Meta:
        model = Review
        fields = ("code", "decision", "grade", "comment", "created_at")


class Queue(APIView):
    """Demonstrations by the state of their review."""

    permission_classes = (Requires(Action.REVIEW),)

    @extend_schema(
        parameters=[OpenApiParameter("queue", str, enum=list(reviews.QUEUES))],
        responses={200: ReviewedBody(many=True), 403: ErrorBody},
        tags=["reviews"],
    )
    def get(self, request: Request) -> Response:
        """List the demonstrations of a queue, newest first; without one, those that wait."""
        queue = request.query_params.get("queue", reviews.WAITING)
        rows = reviews.demonstrations_in(queue if queue in reviews.QUEUES else reviews.WAITING)
        pages = KeysetPagination()
        page: list[Any] = pages.paginate_queryset(rows, request, self) or []
        return pages.get_paginated_response(ReviewedBody(page, many=True).data)


class Decide(APIView):
    """A decision about one demonstration."""

    permission_classes = (Requires(Action.REVIEW),)

    @extend_schema(request=ReviewRequest, responses={201: ReviewBody, **REFUSALS}, tags=["reviews"])
    def post(self, request: Request, code: UUID) -> Response:
        """Accept, fix, return or leave out a demonstration, or let it wait again."""
        body = ReviewRequest(data=request.data)
        body.is_valid(raise_exception=True)
        row = Demonstration.objects.filter(code=code).first()
        if row is None:
            raise NotFound("There is no such demonstration.")
        given = body.validated_data
        if given["decision"] == Review.Decision.FIXED:
            review = reviews.fix_demonstration(
                demonstration=row,
                text=given.get("text", ""),
                by=user_of(request),
                grade=given.get("grade"),
                comment=given["comment"],
            )
        else:
            review = reviews.review_demonstration(
                demonstration=row,
                decision=given["decision"],
                by=user_of(request),
                grade=given.get("grade"),
                comment=given["comment"],
            )
        return Response(ReviewBody(review).data, status=status.HTTP_201_CREATED)
