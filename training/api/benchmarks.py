"""Public evaluation sets, for staff: runs and their results, and the alignment tax."""

from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import InvalidInput
from labeling.rules.access import Action
from training.api.refusals import config_checked
from training.models import Dataset, DatasetKind, Model, Run
from training.rules.benchmark_figures import Tax, alignment_tax, ancestors, benchmark_runs, settings_of
from training.rules.benchmarks import order_benchmarks
from training.rules.harness_tasks import find_tasks
from training.tasks import enqueue_run


class ResultBody(Body):
    """One number with its 95 % interval."""

    metric = serializers.CharField()
    value = serializers.FloatField()
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    count = serializers.IntegerField(help_text="Questions.")


class BenchmarkBody(serializers.ModelSerializer[Run]):
    """A run of a policy on a public set."""

    policy = serializers.SerializerMethodField()
    dataset = serializers.SerializerMethodField()
    settings = serializers.SerializerMethodField()
    results = ResultBody(source="benchmark_results", many=True)

    class Meta:
        model = Run
        fields = ("code", "state", "policy", "dataset", "settings", "results", "created_at")

    @extend_schema_field(serializers.CharField())
    def get_policy(self, run: Run) -> str:
        """Name the policy."""
        return next((str(given.model) for given in run.inputs.all() if given.name == "policy"), "")

    @extend_schema_field(serializers.CharField())
    def get_dataset(self, run: Run) -> str:
        """Name the set's dataset by its hash."""
        return next((given.dataset.hash for given in run.inputs.all() if given.dataset is not None), "")

    @extend_schema_field(serializers.CharField())
    def get_settings(self, run: Run) -> str:
        """Say under which settings the questions were put."""
        return settings_of(run)


class BenchmarkRequest(Body):
    """Policies by name, sets by the code of their dataset, or tasks of the server's folder by name."""

    policies = serializers.ListField(child=serializers.CharField(), allow_empty=False)
    datasets = serializers.ListField(child=serializers.UUIDField(), required=False, default=list)
    tasks = serializers.ListField(
        child=serializers.CharField(max_length=80),
        required=False,
        default=list,
        help_text="Harness tasks of one's own, by name.",
    )
    classifier = serializers.CharField(required=False, default="", allow_blank=True)
    settings = serializers.DictField(required=False, default=dict, help_text="Of the config's [benchmark].")
    seed = serializers.IntegerField(min_value=0, default=0)


class TaxBody(Body):
    """A policy beside an ancestor on the same questions."""

    dataset = serializers.CharField(source="dataset.hash")
    metric = serializers.CharField()
    before = serializers.FloatField(source="before.value")
    after = serializers.FloatField(source="after.value")
    difference = serializers.FloatField(source="difference.value")
    low = serializers.FloatField(source="difference.low", allow_null=True)
    high = serializers.FloatField(source="difference.high", allow_null=True)
    questions = serializers.IntegerField()
    verdict = serializers.CharField()


@extend_schema(tags=["evaluations"])
class BenchmarkList(generics.ListAPIView[Run]):
    """Benchmark runs with their results, newest first."""

    permission_classes = (Requires(Action.SEE_MODELS, write=Action.RUN_TRAINING),)
    pagination_class = KeysetPagination
    serializer_class = BenchmarkBody
    queryset = benchmark_runs()

    @extend_schema(responses={200: BenchmarkBody(many=True), 403: ErrorBody})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List benchmark runs."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=BenchmarkRequest,
        responses={201: BenchmarkBody(many=True), 403: ErrorBody, 422: ErrorBody},
    )
    def post(self, request: Request) -> Response:
        """Queue a run for each policy and set."""
        body = BenchmarkRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        with config_checked():
            runs = order_benchmarks(
                models=[_model(name, "policies") for name in wanted["policies"]],
                datasets=[_dataset(str(code)) for code in wanted["datasets"]],
                tasks=wanted["tasks"],
                settings=wanted["settings"],
                classifier=_model(wanted["classifier"], "classifier") if wanted["classifier"] else None,
                seed=wanted["seed"],
                by=user_of(request),
            )
        for run in runs:
            enqueue_run(run)
        return Response(BenchmarkBody(runs, many=True).data, status=status.HTTP_201_CREATED)


class TaskBody(Body):
    """A harness task of the server's folder."""

    name = serializers.CharField()
    file = serializers.CharField()
    problem = serializers.CharField(help_text="Why it cannot be run; empty where it can.")


class TaskList(APIView):
    """Which tasks of one's own there are."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(responses={200: TaskBody(many=True), 403: ErrorBody}, tags=["evaluations"])
    def get(self, request: Request) -> Response:
        """List the harness tasks of the server's folder, also those that cannot be run."""
        return Response(TaskBody(find_tasks(), many=True).data)


class AlignmentTax(APIView):
    """What a policy lost on public sets."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(responses={200: TaxBody(many=True), 403: ErrorBody, 404: ErrorBody}, tags=["evaluations"])
    def get(self, request: Request, code: str) -> Response:
        """Compare a policy with the nearest ancestor that has results on the same sets."""
        after = generics.get_object_or_404(Model.objects.all(), code=code)
        found: list[Tax] = []
        for before in ancestors(after):
            found = alignment_tax(after, before)
            if found:
                break
        return Response(TaxBody(found, many=True).data)


def _model(name: str, field: str) -> Model:
    model = Model.objects.filter(name=name).first()
    if model is None:
        raise InvalidInput(f'{field}: there is no model "{name}".', fields={field: "unknown"})
    return model


def _dataset(code: str) -> Dataset:
    dataset = Dataset.objects.of_kind(DatasetKind.BENCHMARK).filter(code=code).first()
    if dataset is None:
        raise InvalidInput(f"datasets: {code} is no public set.", fields={"datasets": "unknown"})
    return dataset
