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
from labeling.models import (
    LIKERT_MAX,
    LIKERT_MIN,
    MAX_K,
    Assignment,
    Form,
    Prompt,
    Ranking,
    ResponseReport,
    Skip,
    TaskKind,
)
from labeling.rules import (
    assignments,
    comparisons,
    demonstrations,
    forms,
    readings,
    response_reports,
    slots,
    submissions,
    toxicity,
    written_prompts,
)
from labeling.rules.access import Action, can, labeler_of
from labeling.rules.comparisons import AboutPrompt, Judgement
from labeling.rules.written_prompts import Pair
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
    scores = serializers.DictField(
        child=serializers.IntegerField(), required=False, help_text="Answers on the form's scales, by key."
    )


class AboutPromptRequest(Body):
    """What the labeler says about the prompt, as far as the form asks; what is left out was not answered."""

    category = serializers.CharField(required=False, allow_blank=True)
    flags = serializers.DictField(child=serializers.BooleanField(), required=False)
    scores = serializers.DictField(child=serializers.IntegerField(), required=False)


class PairRequest(Body):
    """A query and the response it should get, one example of a few-shot prompt."""

    query = serializers.CharField(allow_blank=True, trim_whitespace=False)
    response = serializers.CharField(allow_blank=True, trim_whitespace=False)


class TypingRequest(Body):
    """How a text came to be since the last submission, in characters; for a reviewer, refusing nothing."""

    typed = serializers.IntegerField(required=False, min_value=0)
    pastes = serializers.IntegerField(required=False, min_value=0)
    pasted = serializers.IntegerField(required=False, min_value=0)
    longest_paste = serializers.IntegerField(required=False, min_value=0)


class SubmitRequest(Body):
    """A demonstration has `text`; a ranked task has `responses`, each of the K once."""

    text = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    pairs = PairRequest(many=True, required=False, help_text="Of a few-shot prompt.")
    typing = TypingRequest(required=False)
    responses = JudgementRequest(many=True, required=False)
    notes = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    was_touched = serializers.BooleanField(default=True)
    moves = serializers.IntegerField(default=0, min_value=0)
    start = Choice(
        choices=Ranking.Start.choices,
        default="",
        allow_blank=True,
        help_text="From which order the ranking set out.",
    )
    about_prompt = AboutPromptRequest(required=False)


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


def form_body(form: Form, prompt: Prompt | None) -> dict[str, Any]:
    """Return the questions of a form as this prompt calls for them."""
    asked = forms.asked_flags(form=form, prompt=prompt) if prompt else []
    possible = forms.possible_flags(form=form, prompt=prompt) if prompt else []
    return {
        "version": form.version,
        "likert": forms.likert(form) or None,
        "scales": forms.questions(form, "scales"),
        "flags": [_flag_body(flag) for flag in asked],
        "conditional_flags": [
            _flag_body(flag) | {"when": flag["when"]} for flag in possible if flag not in asked
        ],
        "asks_category": forms.asks_category(form),
        "prompt_flags": [_flag_body(flag) for flag in forms.questions(form, "prompt_flags")],
        "prompt_scales": forms.questions(form, "prompt_scales"),
    }


def _flag_body(flag: dict[str, Any]) -> dict[str, str]:
    return {name: flag.get(name, "") for name in ("key", "label", "help")}


def assignment_body(assignment: Assignment) -> dict[str, Any]:
    """Return what a labeler needs, and nothing that tells who wrote a response.

    While readings are awaited neither the prompt is in it nor the questions that depend on it.
    """
    batch = assignment.batch
    read = readings.readings_of(assignment)
    is_kept_back = readings.asks(batch) and not read
    prompt = None if is_kept_back else assignment.task.prompt
    responses = comparisons.responses_in_display_order(assignment)
    guideline, form = batch.guideline, batch.form
    condition = toxicity.condition_of(batch)
    return {
        "code": str(assignment.code),
        "kind": assignment.kind,
        "lease_expires_at": assignment.lease_expires_at,
        "guideline": guideline
        and {
            "version": guideline.version,
            "title": guideline.title,
            "body": guideline.body,
            "criteria": guideline.criteria,
        },
        "form": form_body(form, prompt) if form and not is_kept_back else None,
        "start": "ratings" if comparisons.starts_from_ratings(assignment) else "shuffled",
        "instruction": condition.instruction if condition else "",
        "prompt": prompt.text if prompt else "",
        "awaits_readings": is_kept_back,
        "readings": [
            {"code": str(each.code), "text": read[each.code].text, "cannot_tell": read[each.code].cannot_tell}
            for each in responses
            if each.code in read
        ],
        "writing": writing_body(assignment) if assignment.kind == TaskKind.PROMPT else None,
        "responses": [{"code": str(response.code), "text": response.text} for response in responses],
        "draft": draft_body(getattr(assignment, "draft", None)),
    }


def writing_body(assignment: Assignment) -> dict[str, Any]:
    """Return what sort of prompt a task of prompt writing asks for."""
    use_case = assignment.task.use_case
    return {
        "prompt_kind": written_prompts.asked_kind(assignment).value,
        "use_case": use_case.text if use_case else "",
        "min_pairs": written_prompts.MIN_PAIRS,
        "max_pairs": written_prompts.MAX_PAIRS,
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

    def in_hand(self, request: Request, code: UUID) -> Assignment | None:
        """Return the caller's assignment with what checking a first answer needs, None if it is another."""
        labeler = labeler_of(request.user)
        found = slots.in_hand(labeler=labeler.pk, code=code) if labeler else None
        return found if found is not None and can(request.user, Action.LABEL, found) else None

    @extend_schema(
        request=SubmitRequest,
        responses={200: ReceiptBody, **REFUSALS},
        parameters=[KEY_HEADER],
        tags=["labeling"],
    )
    def post(self, request: Request, code: UUID) -> Response:
        """Record a label; a repeat with the same key answers with the same receipt."""
        assignment = self.in_hand(request, code) or self.own(request, code)
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
                start=sent["start"],
                about=AboutPrompt(**sent.get("about_prompt", {})),
            )
        elif assignment.kind == TaskKind.PROMPT:
            receipt = written_prompts.submit_written_prompt(
                assignment=assignment,
                text=sent.get("text", ""),
                pairs=[Pair(**pair) for pair in sent.get("pairs", [])],
                idempotency_key=key,
                typing=sent.get("typing"),
            )
        else:
            receipt = demonstrations.submit_demonstration(
                assignment=assignment,
                text=sent.get("text", ""),
                idempotency_key=key,
                typing=sent.get("typing"),
                about=AboutPrompt(**sent.get("about_prompt", {})),
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


class ReportRequest(Body):
    """Which response, and what is wrong with it."""

    response = serializers.UUIDField()
    reason = Choice(choices=ResponseReport.Reason.choices)
    note = serializers.CharField(required=False, allow_blank=True, default="", max_length=2000)


class ReportBody(Body):
    """A recorded report; the answer is empty until staff give one."""

    code = serializers.UUIDField()
    response = serializers.UUIDField()
    reason = Choice(choices=ResponseReport.Reason.choices)
    note = serializers.CharField()
    answer = serializers.CharField()


class Reports(AssignmentView):
    """What is wrong with single responses."""

    @extend_schema(request=ReportRequest, responses={201: ReportBody, **REFUSALS}, tags=["labeling"])
    def post(self, request: Request, code: UUID) -> Response:
        """Report one response of a task in hand; it neither skips the task nor changes its order."""
        assignment = self.own(request, code)
        body = ReportRequest(data=request.data)
        body.is_valid(raise_exception=True)
        report = response_reports.report_response(assignment=assignment, **body.validated_data)
        return Response(
            {
                "code": str(report.code),
                "response": str(report.response.code),
                "reason": report.reason,
                "note": report.note,
                "answer": report.answer,
            },
            status=status.HTTP_201_CREATED,
        )


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
