"""What a run says beside its log: texts sampled over time, what it takes of its machine, every point."""

from typing import Any
from uuid import UUID

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import InvalidInput
from labeling.rules.access import Action
from training.api.runs import find_run
from training.rules import metrics, run_resources, run_samples

REFUSALS: dict[int, Any] = {403: ErrorBody, 404: ErrorBody, 422: ErrorBody}


class AnswerBody(Body):
    """What the policy said at a step."""

    step = serializers.IntegerField()
    text = serializers.CharField()
    score = serializers.FloatField(allow_null=True, help_text="Of the reward model, where there is one.")


class WatchedBody(Body):
    """One prompt with its answers at the two steps, and at all."""

    prompt = serializers.CharField()
    earlier = AnswerBody(allow_null=True)
    later = AnswerBody(allow_null=True)
    changes = serializers.ListField(
        child=serializers.DictField(child=serializers.CharField()),
        help_text="From earlier to later, as {kind, text}: same, added or removed.",
    )
    answers = AnswerBody(many=True)


class SamplesBody(Body):
    """A policy's answers to the same prompts over time."""

    steps = serializers.ListField(child=serializers.IntegerField(), help_text="At which texts were sampled.")
    earlier = serializers.IntegerField(allow_null=True)
    later = serializers.IntegerField(allow_null=True)
    prompts = WatchedBody(many=True)


class SamplesQuery(Body):
    """Which two steps to compare; the first and the newest where none is named."""

    earlier = serializers.IntegerField(required=False)
    later = serializers.IntegerField(required=False)


class ResourceBody(Body):
    """One thing that was measured over the minutes of a run."""

    name = serializers.CharField()
    title = serializers.CharField()
    unit = serializers.CharField()
    last = serializers.FloatField()
    lowest = serializers.FloatField()
    highest = serializers.FloatField()
    points = serializers.ListField(
        child=serializers.ListField(child=serializers.FloatField()),
        help_text="[minutes since the first, value]",
    )


class Samples(APIView):
    """What a policy wrote while it learned."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(parameters=[SamplesQuery], responses={200: SamplesBody, **REFUSALS}, tags=["runs"])
    def get(self, request: Request, code: UUID) -> Response:
        """Return the answers to the sampled prompts, and what changed between two steps."""
        run = find_run(code)
        query = SamplesQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        steps = run_samples.steps_sampled(run)
        for name, step in query.validated_data.items():
            if step not in steps:
                known = ", ".join(map(str, steps)) or "none"
                text = f"{name} is {step}; texts were sampled at: {known}."
                raise InvalidInput(text, fields={name: text})
        if not steps:
            return Response({"steps": [], "earlier": None, "later": None, "prompts": []})
        earlier = query.validated_data.get("earlier", steps[0])
        later = query.validated_data.get("later", steps[-1])
        found = run_samples.watched_prompts(run, earlier, later)
        prompts = [
            {
                "prompt": watched.prompt,
                "earlier": watched.earlier,
                "later": watched.later,
                "changes": [{"kind": part.kind, "text": part.text} for part in watched.changes],
                "answers": watched.answers,
            }
            for watched in found
        ]
        body = {"steps": steps, "earlier": earlier, "later": later, "prompts": prompts}
        return Response(SamplesBody(body).data)


class Resources(APIView):
    """What a run takes of its machine."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(responses={200: ResourceBody(many=True), **REFUSALS}, tags=["runs"])
    def get(self, request: Request, code: UUID) -> Response:
        """Return CPU, memory, GPU and disk over the minutes of a run; what was not measured is left out."""
        return Response(ResourceBody(run_resources.resource_charts(find_run(code)), many=True).data)


class PointsFile(APIView):
    """Every point of a run."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(
        responses={(200, "text/csv"): OpenApiTypes.STR, 403: ErrorBody, 404: ErrorBody}, tags=["runs"]
    )
    def get(self, request: Request, code: UUID) -> StreamingHttpResponse:
        """Stream every point as CSV: a step a line, a column for each metric."""
        run = find_run(code)
        response = StreamingHttpResponse(metrics.points_as_csv(run), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="run-{run.pk}.csv"'
        return response
