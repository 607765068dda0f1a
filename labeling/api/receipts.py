"""A labeler's own receipts: listed, taken back, reopened."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.assignments import assignment_body
from labeling.api.errors import receipt_body
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import HasLabelerProfile
from labeling.api.serializers import AssignmentBody, Body, ErrorBody, ReceiptBody
from labeling.errors import NotFound
from labeling.models import Labeler, Receipt
from labeling.models import Preferences as Chosen
from labeling.rules import guidelines, history, preferences, revisions
from labeling.rules.access import labeler_of


class OwnReceiptBody(ReceiptBody):
    """A receipt, what was submitted, and what became of it."""

    content = serializers.DictField()
    review = serializers.CharField()
    comment = serializers.CharField(allow_blank=True)
    withdrawn_at = serializers.DateTimeField(allow_null=True)


class PreferencesBody(Body):
    """What a labeler chooses about their own work."""

    avoids_distressing = serializers.BooleanField()
    break_after_minutes = serializers.IntegerField(min_value=0, max_value=preferences.MAX_MINUTES)


def _labeler(request: Request) -> Labeler:
    labeler = labeler_of(request.user)
    if labeler is None:
        raise NotFound("This account has no labeler profile.")
    return labeler


def _own(outcome: history.Outcome) -> dict[str, Any]:
    return receipt_body(outcome.receipt) | {
        "content": outcome.receipt.content,
        "review": outcome.review,
        "comment": outcome.comment,
        "withdrawn_at": outcome.receipt.withdrawn_at,
    }


class ReceiptList(generics.GenericAPIView[Receipt]):
    """What the caller submitted."""

    permission_classes = (HasLabelerProfile,)
    pagination_class = KeysetPagination
    serializer_class = OwnReceiptBody
    queryset = Receipt.objects.none()

    @extend_schema(responses={200: OwnReceiptBody(many=True), 403: ErrorBody}, tags=["labeling"])
    def get(self, request: Request) -> Response:
        """List one's own receipts, newest first."""
        page = self.paginate_queryset(history.receipts_of(_labeler(request)))
        return self.get_paginated_response([_own(each) for each in history.with_reviews(page or [])])


class SecondThought(APIView):
    """What the calls on one's own receipt share."""

    permission_classes = (HasLabelerProfile,)

    def own(self, request: Request, code: UUID) -> Receipt:
        receipt = history.receipts_of(_labeler(request)).filter(code=code).first()
        if receipt is None:
            raise NotFound("There is no such receipt of yours.")
        return receipt


BACK_IN_HAND = {200: AssignmentBody, 403: ErrorBody, 404: ErrorBody, 409: ErrorBody}


class Undo(SecondThought):
    """Taking a submission back, within seconds."""

    @extend_schema(request=None, responses=BACK_IN_HAND, tags=["labeling"])
    def post(self, request: Request, code: UUID) -> Response:
        """Take a submission back: its assignment is in hand again, with what was submitted as its draft."""
        assignment = revisions.undo_submission(receipt=self.own(request, code))
        return Response(assignment_body(assignment))


class Reopen(SecondThought):
    """Revising the last submission."""

    @extend_schema(request=None, responses=BACK_IN_HAND, tags=["labeling"])
    def post(self, request: Request, code: UUID) -> Response:
        """Reopen the last submission; submit its assignment again to revise it."""
        assignment = revisions.reopen_submission(receipt=self.own(request, code))
        return Response(assignment_body(assignment))


class Preferences(APIView):
    """The caller's own choices."""

    permission_classes = (HasLabelerProfile,)

    @extend_schema(responses={200: PreferencesBody, 403: ErrorBody}, tags=["labeling"])
    def get(self, request: Request) -> Response:
        """Return one's own choices."""
        return Response(_chosen(preferences.preferences_of(_labeler(request))))

    @extend_schema(
        request=PreferencesBody,
        responses={200: PreferencesBody, 403: ErrorBody, 422: ErrorBody},
        tags=["labeling"],
    )
    def put(self, request: Request) -> Response:
        """Choose whether distressing material is served, and when to be reminded of a break."""
        body = PreferencesBody(data=request.data)
        body.is_valid(raise_exception=True)
        labeler = _labeler(request)
        return Response(_chosen(preferences.choose(labeler=labeler, **body.validated_data)))


class Acknowledge(APIView):
    """Reading a guideline that changed."""

    permission_classes = (HasLabelerProfile,)

    @extend_schema(request=None, responses={204: None, 403: ErrorBody, 404: ErrorBody}, tags=["labeling"])
    def post(self, request: Request, code: UUID) -> Response:
        """Record that the caller has read this version and works by it."""
        guideline = guidelines.by_code(code)
        if guideline is None:
            raise NotFound("There is no such guideline.")
        guidelines.acknowledge(guideline=guideline, labeler=_labeler(request))
        return Response(status=204)


def _chosen(chosen: Chosen) -> dict[str, Any]:
    return {
        "avoids_distressing": chosen.avoids_distressing,
        "break_after_minutes": chosen.break_after_minutes,
    }
