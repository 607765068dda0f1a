"""Runs, for staff: started, watched, cancelled, tried again."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import NotFound
from labeling.rules.access import Action
from training.api.refusals import config_checked
from training.models import Run, RunInput, RunState, Stage
from training.rlhf.config import shipped_config, to_mapping
from training.rules import metrics, run_log, runs
from training.rules.round_facts import HEAVY
from training.rules.run_inputs import find_inputs
from training.rules.workers import TRAINING_QUEUES, known_queues
from training.tasks import enqueue_run

REFUSALS = {403: ErrorBody, 409: ErrorBody, 422: ErrorBody}


class RunInputBody(serializers.ModelSerializer[RunInput]):
    """What a run reads under a name."""

    dataset = serializers.UUIDField(source="dataset.code", default=None, allow_null=True)
    hash = serializers.CharField(source="dataset.hash", default=None, allow_null=True)
    model = serializers.UUIDField(source="model.code", default=None, allow_null=True)

    class Meta:
        model = RunInput
        fields = ("name", "dataset", "hash", "model")


class RunBody(serializers.ModelSerializer[Run]):
    """A training job and how far it is."""

    model = serializers.UUIDField(source="model.code", default=None, allow_null=True)
    cloned_from = serializers.UUIDField(source="cloned_from.code", default=None, allow_null=True)
    progress_fraction = serializers.FloatField(read_only=True)
    result = serializers.DictField(help_text="The final numbers.")
    report = serializers.DictField(help_text="Findings in words, plots, tables.")

    class Meta:
        model = Run
        fields: tuple[str, ...] = (
            "code",
            "stage",
            "state",
            "queue",
            "priority",
            "seed",
            "phase",
            "progress_done",
            "progress_total",
            "progress_unit",
            "progress_fraction",
            "eta_seconds",
            "reason",
            "result",
            "report",
            "model",
            "cloned_from",
            "created_at",
            "started_at",
            "finished_at",
        )


class RunDetailBody(RunBody):
    """A run with its config, inputs and last words."""

    inputs = RunInputBody(many=True)

    class Meta(RunBody.Meta):
        fields = (*RunBody.Meta.fields, "config", "inputs", "log_tail", "attempt", "worker")


class PlaceRequest(Body):
    """When and where a run is done."""

    priority = serializers.IntegerField(
        min_value=-runs.MAX_PRIORITY,
        max_value=runs.MAX_PRIORITY,
        default=0,
        help_text="Higher goes first; runs of the same priority go by age.",
    )
    queue = serializers.CharField(
        required=False, max_length=40, help_text="Which workers may take it; without it the usual ones."
    )

    def validate_queue(self, queue: str) -> str:
        """Refuse a queue to which no worker has ever listened."""
        known = known_queues()
        if queue not in known:
            raise serializers.ValidationError(f'"{queue}" is not one of {", ".join(known)}.')
        return queue


class RunRequest(PlaceRequest):
    """A new run. Inputs are named by code, name, start of a hash, or as "newest"."""

    stage = serializers.ChoiceField(choices=Stage.choices)
    shipped = serializers.CharField(required=False, help_text="A shipped config to start from.")
    config = serializers.DictField(required=False, default=dict, help_text="Settings by section.")
    inputs = serializers.DictField(child=serializers.CharField(), required=False, default=dict)
    model_name = serializers.CharField(max_length=100, required=False, default="", allow_blank=True)


class PointsBody(Body):
    """The curves of a run, thinned to 300 points each: [step, value]."""

    state = serializers.ChoiceField(choices=RunState.choices)
    metrics = serializers.DictField(
        child=serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))
    )


def listed_runs() -> QuerySet[Run]:
    """Return runs with what bodies say of them; of the run that one was made from, no more than its code."""
    rows = Run.objects.select_related("model", "cloned_from")
    return rows.defer(*(f"cloned_from__{column}" for column in HEAVY))


@extend_schema(tags=["runs"])
class RunList(generics.ListAPIView[Run]):
    """Runs, newest first."""

    permission_classes = (Requires(Action.SEE_MODELS, write=Action.RUN_TRAINING),)
    pagination_class = KeysetPagination
    serializer_class = RunBody
    queryset = listed_runs()

    def get_queryset(self) -> QuerySet[Run]:
        """Return the runs that the address asks for."""
        rows = listed_runs()
        stage, state = (self.request.query_params.get(name, "") for name in ("stage", "state"))
        rows = rows.filter(stage=stage) if stage in Stage.values else rows
        return rows.filter(state=state) if state in RunState.values else rows

    @extend_schema(
        parameters=[
            OpenApiParameter("stage", enum=Stage.values),
            OpenApiParameter("state", enum=RunState.values),
        ],
        responses={200: RunBody(many=True), 403: ErrorBody},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List runs."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=RunRequest, responses={201: RunDetailBody, **REFUSALS})
    def post(self, request: Request) -> Response:
        """Check a config and queue a run; a wrong one is refused with every key that is wrong."""
        body = RunRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        with config_checked():
            config = to_mapping(shipped_config(wanted["shipped"])) if "shipped" in wanted else {}
            run = runs.create_run(
                stage=wanted["stage"],
                config=merged(config, wanted["config"]),
                inputs=find_inputs(wanted["stage"], wanted["inputs"]),
                model_name=wanted["model_name"],
                priority=wanted["priority"],
                queue=wanted.get("queue", TRAINING_QUEUES[0]),
                by=user_of(request),
            )
        enqueue_run(run)
        return Response(RunDetailBody(run).data, status=status.HTTP_201_CREATED)


@extend_schema(responses={200: RunDetailBody, 403: ErrorBody, 404: ErrorBody}, tags=["runs"])
class RunDetail(generics.RetrieveAPIView[Run]):
    """Return a run with its config, inputs and last words."""

    permission_classes = (Requires(Action.SEE_MODELS),)
    serializer_class = RunDetailBody
    queryset = listed_runs().prefetch_related("inputs__dataset", "inputs__model")
    lookup_field = "code"


class Points(APIView):
    """What a run reported."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(responses={200: PointsBody, 404: ErrorBody}, tags=["runs"])
    def get(self, request: Request, code: UUID) -> Response:
        """Return the curves of a run."""
        run = find_run(code)
        return Response({"state": run.state, "metrics": metrics.curves(run)})


class LogQuery(Body):
    """Where to go on reading."""

    after = serializers.IntegerField(min_value=0, default=0, help_text="The cursor of the answer before.")


class LogBody(Body):
    """Lines of a log, made fit to show, and where to go on."""

    lines = serializers.ListField(child=serializers.CharField())
    cursor = serializers.IntegerField()
    has_more = serializers.BooleanField(help_text="More stands there already.")
    state = serializers.ChoiceField(choices=RunState.choices)


class Log(APIView):
    """What a run's process prints."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(parameters=[LogQuery], responses={200: LogBody, **REFUSALS}, tags=["runs"])
    def get(self, request: Request, code: UUID) -> Response:
        """Return lines of the log from a cursor on."""
        query = LogQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        run = find_run(code)
        part = run_log.part_after(run, query.validated_data["after"])
        body = {"lines": part.lines, "cursor": part.cursor, "has_more": part.has_more, "state": run.state}
        return Response(body)


class Cancel(APIView):
    """The end of a run."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(request=None, responses={200: RunDetailBody, **REFUSALS}, tags=["runs"])
    def post(self, request: Request, code: UUID) -> Response:
        """Cancel a run; it saves before it ends."""
        return Response(RunDetailBody(runs.cancel_run(run=find_run(code), by=user_of(request))).data)


class Retry(APIView):
    """Another attempt."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(request=None, responses={200: RunDetailBody, **REFUSALS}, tags=["runs"])
    def post(self, request: Request, code: UUID) -> Response:
        """Queue a failed or cancelled run again; it goes on from its newest checkpoint."""
        run = runs.retry_run(run=find_run(code), by=user_of(request))
        enqueue_run(run)
        return Response(RunDetailBody(run).data)


def merged(config: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a config with some of its settings changed, section by section."""
    found = dict(config)
    for name, value in changes.items():
        both = isinstance(value, dict) and isinstance(found.get(name), dict)
        found[name] = {**found[name], **value} if both else value
    return found


def find_run(code: UUID) -> Run:
    """Return the run of that code."""
    run = listed_runs().filter(code=code).first()
    if run is None:
        raise NotFound("There is no such run.")
    return run
