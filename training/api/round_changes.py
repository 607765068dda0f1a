"""Rounds that go on: by themselves or step by step, and through their gate."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.rules.access import Action
from training.api.rounds import RoundDetailBody
from training.models import Round
from training.rules import rounds

REFUSALS: dict[int, Any] = {403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody}


class CheckBody(Body):
    """One thing that must hold before training: what was found beside what is wanted."""

    key = serializers.CharField()
    title = serializers.CharField()
    has_passed = serializers.BooleanField()
    found = serializers.CharField()
    wanted = serializers.CharField()


class SignatureBody(Body):
    """Who opened the gate although checks failed, and why."""

    by = serializers.CharField()
    reason = serializers.CharField()
    failed = serializers.DictField(child=serializers.CharField(), help_text="What was found, by check.")
    created_at = serializers.DateTimeField()


class GateBody(Body):
    """The checks of a round's labels before training."""

    is_reached = serializers.BooleanField(help_text="Its comparisons are frozen; before, nothing is checked.")
    is_open = serializers.BooleanField()
    checks = CheckBody(many=True)
    override = SignatureBody(allow_null=True)


class OpenGateRequest(Body):
    """Why a round may train although its gate is closed."""

    reason = serializers.CharField(max_length=1000)


class Gate(APIView):
    """What labels must show before a round trains, and the signed way past it."""

    permission_classes = (Requires(Action.SEE_MODELS, write=Action.RUN_TRAINING),)

    @extend_schema(responses={200: GateBody, 403: ErrorBody, 404: ErrorBody}, tags=["rounds"])
    def get(self, request: Request, code: UUID) -> Response:
        """Return the checks of a round's gate, each with what was found and what is wanted."""
        given = _find_round(code)
        if given.comparisons_dataset_id is None:
            nothing: dict[str, Any] = {"is_reached": False, "is_open": False, "checks": [], "override": None}
            return Response(nothing)
        gate = rounds.gate_of(given)
        found = {"is_open": gate.is_open, "checks": gate.checks, "override": gate.override}
        return Response(GateBody({"is_reached": True, **found}).data)

    @extend_schema(request=OpenGateRequest, responses={200: RoundDetailBody, **REFUSALS}, tags=["rounds"])
    def post(self, request: Request, code: UUID) -> Response:
        """Open the gate under your name; 409 where it is open."""
        given = _find_round(code)
        body = OpenGateRequest(data=request.data)
        body.is_valid(raise_exception=True)
        rounds.open_gate(given=given, reason=body.validated_data["reason"], by=user_of(request))
        return Response(RoundDetailBody(given).data)


class AutomaticRequest(Body):
    """Whether steps start as soon as they may."""

    is_automatic = serializers.BooleanField()


class Automatic(APIView):
    """By itself, or step by step."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(request=AutomaticRequest, responses={200: RoundDetailBody, **REFUSALS}, tags=["rounds"])
    def post(self, request: Request, code: UUID) -> Response:
        """Let the steps of a round start by themselves, or by a call again."""
        given = _find_round(code)
        body = AutomaticRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data["is_automatic"]
        given = rounds.set_automatic(given=given, is_automatic=wanted, by=user_of(request))
        return Response(RoundDetailBody(given).data)


def _find_round(code: UUID) -> Round:
    return generics.get_object_or_404(Round.objects.select_related("previous"), code=code)
