"""A run's place among those that wait, and a run made from another one."""

import tomllib
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.permissions import Requires
from labeling.api.serializers import Body
from labeling.rules.access import Action
from training.api.refusals import config_checked
from training.api.runs import REFUSALS, PlaceRequest, RunDetailBody, find_run, merged
from training.rules import runs
from training.rules.run_inputs import find_inputs
from training.tasks import enqueue_run


class PriorityRequest(Body):
    """How urgent a run is."""

    priority = serializers.IntegerField(help_text=f"-{runs.MAX_PRIORITY} to {runs.MAX_PRIORITY}.")


class CloneRequest(PlaceRequest):
    """What is to differ from the run that is cloned; all else stays."""

    config = serializers.DictField(required=False, default=dict, help_text="Settings by section.")
    inputs = serializers.DictField(
        child=serializers.CharField(allow_blank=True),
        required=False,
        default=dict,
        help_text="By code, name, start of a hash, or as newest; empty leaves one out that is not needed.",
    )
    model_name = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)


class Priority(APIView):
    """Who goes first."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(request=PriorityRequest, responses={200: RunDetailBody, **REFUSALS}, tags=["runs"])
    def post(self, request: Request, code: UUID) -> Response:
        """Let a queued run go before others (higher) or after them; 409 where it waits no longer."""
        body = PriorityRequest(data=request.data)
        body.is_valid(raise_exception=True)
        run = runs.set_priority(run=find_run(code), by=user_of(request), **body.validated_data)
        return Response(RunDetailBody(run).data)


class Clone(APIView):
    """Another run like one."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(request=CloneRequest, responses={201: RunDetailBody, **REFUSALS}, tags=["runs"])
    def post(self, request: Request, code: UUID) -> Response:
        """Queue a run with another one's settings and inputs, but for what is named here."""
        source = find_run(code)
        body = CloneRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        read: Mapping[str, Any] = {
            given.name: given.dataset or given.model
            for given in source.inputs.select_related("dataset", "model")
        }
        named = {name: str(row.code) for name, row in read.items()} | wanted["inputs"]
        with config_checked():
            run = runs.create_run(
                stage=source.stage,
                config=merged(tomllib.loads(source.config), wanted["config"]),
                inputs=find_inputs(source.stage, named),
                model_name=wanted["model_name"],
                priority=wanted["priority"],
                queue=wanted.get("queue", source.queue),
                cloned_from=source,
                by=user_of(request),
            )
        enqueue_run(run)
        return Response(RunDetailBody(run).data, status=status.HTTP_201_CREATED)
