"""Assignments: drafts, submissions, skips, heartbeats of the person who holds one."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.errors import draft_body, receipt_body
from labeling.api.permissions import HasLabelerProfile
from labeling.api.serializers import AssignmentBody, Body, Choice, DraftBody, ErrorBody, ReceiptBody
from labeling.errors import NotFound
from labeling.models import LIKERT_MAX, LIKERT_MIN, MAX_K, Assignment, Skip, TaskKind
from labeling.rules import assignments, comparisons, demonstrations, forms, submissions
from labeling.rules.access import Action, can, labeler_of
from labeling.rules.comparisons import Judgement
from labeling.statements import Query

KEY_HEADER = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Made once for each submission and sent again with every repeat, at most 80 characters. "
    "Without it the content stands in for it.",
)
REFUSALS = {404: ErrorBody, 409: ErrorBody, 422: ErrorBody}


OWN = Query(
    lambda labeler, code: Assignment.objects.filter(labeler=labeler, code=code), labeler=int, code=UUID
)


class DraftRequest(Body):
    """The next draft, and the version that it builds on (0 for none)."""

    version = serializers.IntegerField(min_value=0)
    payload = serializers.DictField()


class JudgementRequest(Body):
    """What the labeler says about one response."""

    code = serializers.UUIDField()
    rank = serializers.IntegerField(min_value=1, max_value=MAX_K, help_text="1 is best, equal is a tie.")
    likert = serializers.IntegerField(
        min_value=LIKERT_MIN, max_value=LIKERT_MAX, required=False, allow_null=True
    )
    flags = serializers.DictField(child=serializers.BooleanField(), required=False)
    note = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)


class SubmitRequest(Body):
    """A demonstration has `text`; a ranked task has `responses`, each of the K once."""

    text = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    responses = JudgementRequest(many=True, required=False)
    notes = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    was_touched = serializers.BooleanField(default=True)
    moves = serializers.IntegerField(default=0, min_value=0)


class SkipRequest(Body):
    """Why the task is passed on."""

    reason = Choice(choices=Skip.Reason.choices)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)


class SkipBody(Body):
    """A recorded skip."""

    assignment = serializers.UUIDField()
    reason = Choice(choices=Skip.Reason.choices)
    note = serializers.CharField()


class HeartbeatRequest(Body):
    """Seconds at work since the last beat, idle time left out."""

    active_seconds = serializers.IntegerField(default=0, min_value=0, max_value=3600)


class HeartbeatBody(Body):
    """When the lease ends now, and the time at work so far."""

    lease_expires_at = serializers.DateTimeField()
    active_seconds = serializers.IntegerField()


def assignment_body(assignment: Assignment) -> dict[str, Any]:
    """Return what a labeler needs, and nothing that tells who wrote a response."""
    batch = assignment.batch
    guideline, form = batch.guideline, batch.form
    asked = forms.asked_flags(form=form, prompt=assignment.task.given_prompt)
    return {
        "code": str(assignment.code),
        "kind": assignment.kind,
        "lease_expires_at": assignment.lease_expires_at,
        "guideline": guideline
        and {"version": guideline.version, "title": guideline.title, "body": guideline.body},
        "form": form
        and {
            "version": form.version,
            "likert": form.schema.get("likert"),
            "flags": [{name: flag.get(name, "") for name in ("key", "label", "help")} for flag in asked],
        },
        "prompt": assignment.task.given_prompt.text,
        "responses": [
            {"code": str(response.code), "text": response.text}
            for response in comparisons.responses_in_display_order(assignment)
        ],
        "draft": draft_body(getattr(assignment, "draft", None)),
    }


class AssignmentView(APIView):
    """What the calls on one assignment share: it must be the caller's own."""

    permission_classes = (HasLabelerProfile,)

    def own(self, request: Request, code: UUID) -> Assignment:
        """Return the caller's assignment; somebody else's does not exist for them."""
        labeler = labeler_of(request.user)
        found = OWN.first(labeler=labeler.pk, code=code) if labeler else None
        if found is None or not can(request.user, Action.LABEL, found):
            raise NotFound("There is no such assignment of yours.")
        return found


class Detail(AssignmentView):
    """One assignment of the caller's."""

    @extend_schema(responses={200: AssignmentBody, 404: ErrorBody}, tags=["labeling"])
    def get(self, request: Request, code: UUID) -> Response:
        """Return an assignment again, as when it was claimed."""
        return Response(assignment_body(self.own(request, code)))


class Draft(AssignmentView):
    """Unsubmitted work."""

    @extend_schema(request=DraftRequest, responses={200: DraftBody, **REFUSALS}, tags=["labeling"])
    def put(self, request: Request, code: UUID) -> Response:
        """Store a draft; 409 with the stored one if `version` is not its version."""
        body = DraftRequest(data=request.data)
        body.is_valid(raise_exception=True)
        draft = assignments.save_draft(assignment=self.own(request, code), **body.validated_data)
        return Response(draft_body(draft))


class Submit(AssignmentView):
    """The end of the work on an assignment."""

    @extend_schema(
        request=SubmitRequest,
        responses={200: ReceiptBody, **REFUSALS},
        parameters=[KEY_HEADER],
        tags=["labeling"],
    )
    def post(self, request: Request, code: UUID) -> Response:
        """Record a label; a repeat with the same key answers with the same receipt."""
        assignment = self.own(request, code)
        body = SubmitRequest(data=request.data)
        if not body.is_valid():
            if isinstance(request.data, dict):
                submissions.keep_as_draft(assignment=assignment, payload=request.data)
            raise serializers.ValidationError(body.errors)
        sent = body.validated_data
        key = request.headers.get("Idempotency-Key") or submissions.content_key(assignment, request.data)
        if TaskKind(assignment.kind).is_ranked:
            receipt = comparisons.submit_ranking(
                assignment=assignment,
                judgements=[Judgement(**judgement) for judgement in sent.get("responses", [])],
                idempotency_key=key,
                notes=sent.get("notes", ""),
                was_touched=sent["was_touched"],
                moves=sent["moves"],
            )
        else:
            receipt = demonstrations.submit_demonstration(
                assignment=assignment, text=sent.get("text", ""), idempotency_key=key
            )
        return Response(receipt_body(receipt))


class SkipIt(AssignmentView):
    """Passing a task on."""

    @extend_schema(request=SkipRequest, responses={200: SkipBody, **REFUSALS}, tags=["labeling"])
    def post(self, request: Request, code: UUID) -> Response:
        """Skip an assignment, with a reason."""
        assignment = self.own(request, code)
        body = SkipRequest(data=request.data)
        body.is_valid(raise_exception=True)
        skipped = assignments.skip(assignment=assignment, **body.validated_data)
        return Response({"assignment": str(assignment.code), "reason": skipped.reason, "note": skipped.note})


class Heartbeat(AssignmentView):
    """A sign of life."""

    @extend_schema(request=HeartbeatRequest, responses={200: HeartbeatBody, **REFUSALS}, tags=["labeling"])
    def post(self, request: Request, code: UUID) -> Response:
        """Renew the lease; 409 if it has ended or the assignment was answered."""
        assignment = self.own(request, code)
        body = HeartbeatRequest(data=request.data)
        body.is_valid(raise_exception=True)
        renewed = assignments.heartbeat(assignment=assignment, **body.validated_data)
        return Response(
            {"lease_expires_at": renewed.lease_expires_at, "active_seconds": renewed.active_seconds},
            status=status.HTTP_200_OK,
        )
