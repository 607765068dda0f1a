"""Batches, for staff: made, filled, opened, closed, watched."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import InvalidInput, NotFound
from labeling.models import MAX_K, Batch, Cohort, Policy, Prompt, TaskKind
from labeling.models import Response as PromptResponse
from labeling.rules import batches, readings
from labeling.rules.access import Action

MAX_TASKS_AT_ONCE = 1000
REFUSALS = {403: ErrorBody, 409: ErrorBody, 422: ErrorBody}


class ProgressBody(Body):
    """How far a batch is."""

    tasks = serializers.IntegerField()
    wanted = serializers.IntegerField(help_text="Labels wanted in all.")
    submitted = serializers.IntegerField(help_text="Labels in, surplus left out.")
    leased = serializers.IntegerField()
    open = serializers.IntegerField()
    skipped = serializers.IntegerField()
    surplus = serializers.IntegerField()


class BatchBody(serializers.ModelSerializer[Batch]):
    """A batch and the rules under which it is labeled."""

    guideline_version = serializers.IntegerField(source="guideline.version", default=None, allow_null=True)
    form_version = serializers.IntegerField(source="form.version", default=None, allow_null=True)
    baseline = serializers.CharField(source="baseline.name", default=None, allow_null=True)
    cohorts = serializers.ListField(child=Choice(choices=Cohort.choices))
    reads_first = serializers.SerializerMethodField(
        help_text="Labelers read the responses before they see the prompt."
    )

    class Meta:
        model = Batch
        fields: tuple[str, ...] = (
            "code",
            "name",
            "kind",
            "status",
            "is_import",
            "cohorts",
            "k",
            "overlap",
            "shared_fraction",
            "baseline",
            "priority",
            "lease_seconds",
            "labeler_cap",
            "deadline_at",
            "reads_first",
            "guideline_version",
            "form_version",
            "created_at",
            "opened_at",
            "closed_at",
        )

    def get_reads_first(self, batch: Batch) -> bool:
        """Return whether the prompt is kept back until the responses were read."""
        return readings.asks(batch)


class BatchDetailBody(BatchBody):
    """A batch with its progress."""

    progress = serializers.SerializerMethodField()

    class Meta(BatchBody.Meta):
        fields = (*BatchBody.Meta.fields, "progress")

    @extend_schema_field(ProgressBody)
    def get_progress(self, batch: Batch) -> dict[str, int]:
        """Count slots by state."""
        return asdict(batches.batch_progress(batch))


class BatchRequest(Body):
    """A new batch; it takes the current guideline and form of its kind."""

    name = serializers.CharField(max_length=120)
    kind = Choice(choices=TaskKind.choices)
    cohorts = serializers.ListField(
        child=Choice(choices=Cohort.choices), default=[Cohort.TRAIN.value], allow_empty=False
    )
    k = serializers.IntegerField(default=4, min_value=1, max_value=MAX_K)
    overlap = serializers.IntegerField(default=1, min_value=1, max_value=batches.MAX_OVERLAP)
    shared_fraction = serializers.FloatField(default=1.0, min_value=0.0, max_value=1.0)
    baseline = serializers.CharField(
        required=False, help_text="Name of the policy that win rates are against."
    )
    priority = serializers.IntegerField(default=0, min_value=-1000, max_value=1000)
    lease_seconds = serializers.IntegerField(default=1800, min_value=60, max_value=86_400)
    labeler_cap = serializers.IntegerField(
        required=False,
        allow_null=True,
        min_value=1,
        max_value=batches.MAX_LABELER_CAP,
        help_text="How many of its tasks one labeler gets at most; skipped ones are not counted.",
    )
    deadline_at = serializers.DateTimeField(required=False, allow_null=True)
    reads_first = serializers.BooleanField(
        default=False,
        help_text="Comparisons and final evaluations: labelers note what each response seems to say before "
        "they see the prompt.",
    )


class RankedTaskRequest(Body):
    """A prompt and the responses to compare."""

    prompt = serializers.UUIDField()
    responses = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=MAX_K, help_text="Codes of responses."
    )


class TasksRequest(Body):
    """`prompts` for demonstrations, `comparisons` for ranked kinds."""

    prompts = serializers.ListField(
        child=serializers.UUIDField(), required=False, max_length=MAX_TASKS_AT_ONCE
    )
    comparisons = RankedTaskRequest(many=True, required=False)


class TasksBody(Body):
    """How many tasks were added."""

    added = serializers.IntegerField()


class BatchList(generics.ListAPIView[Batch]):
    """Batches, newest first."""

    permission_classes = (Requires(Action.SEE_BATCHES, write=Action.MANAGE_BATCHES),)
    pagination_class = KeysetPagination
    serializer_class = BatchBody
    queryset = Batch.objects.select_related("guideline", "form", "baseline")

    @extend_schema(responses={200: BatchBody(many=True), 403: ErrorBody}, tags=["batches"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List batches."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=BatchRequest, responses={201: BatchDetailBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request) -> Response:
        """Make a draft batch."""
        body = BatchRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = dict(body.validated_data)
        if "baseline" in wanted:
            wanted["baseline"] = _policy(wanted["baseline"])
        batch = batches.create_batch(by=user_of(request), **wanted)
        return Response(BatchDetailBody(batch).data, status=status.HTTP_201_CREATED)


@extend_schema(responses={200: BatchDetailBody, 403: ErrorBody, 404: ErrorBody}, tags=["batches"])
class BatchDetail(generics.RetrieveAPIView[Batch]):
    """Return a batch and its progress."""

    permission_classes = (Requires(Action.SEE_BATCHES),)
    serializer_class = BatchDetailBody
    queryset = Batch.objects.select_related("guideline", "form", "baseline")
    lookup_field = "code"


class BatchStep(APIView):
    """What changes a batch."""

    permission_classes = (Requires(Action.MANAGE_BATCHES),)

    def batch(self, code: UUID) -> Batch:
        """Return the batch of that code."""
        found = Batch.objects.filter(code=code).first()
        if found is None:
            raise NotFound("There is no such batch.")
        return found


class Open(BatchStep):
    """Letting people in."""

    @extend_schema(request=None, responses={200: BatchDetailBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Open a draft batch: its tasks may be claimed."""
        batch = batches.open_batch(batch=self.batch(code), by=user_of(request))
        return Response(BatchDetailBody(batch).data)


class Close(BatchStep):
    """The end of a batch."""

    @extend_schema(request=None, responses={200: BatchDetailBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Close an open batch: what nobody has claimed is withdrawn."""
        batch = batches.close_batch(batch=self.batch(code), by=user_of(request))
        return Response(BatchDetailBody(batch).data)


class Tasks(BatchStep):
    """What a batch asks for."""

    @extend_schema(request=TasksRequest, responses={201: TasksBody, **REFUSALS}, tags=["batches"])
    def post(self, request: Request, code: UUID) -> Response:
        """Add tasks to a draft batch; all go in or none."""
        batch = self.batch(code)
        body = TasksRequest(data=request.data)
        body.is_valid(raise_exception=True)
        added = batches.add_chosen_tasks(
            batch=batch,
            prompts=_prompts(body.validated_data.get("prompts", [])),
            comparisons=_ranked_items(body.validated_data.get("comparisons", [])),
            by=user_of(request),
        )
        return Response({"added": added}, status=status.HTTP_201_CREATED)


def _policy(name: str) -> Policy:
    policy = Policy.objects.filter(name=name).first()
    if policy is None:
        raise InvalidInput(f'There is no policy named "{name}".', fields={"baseline": "unknown policy"})
    return policy


def _prompts(codes: list[UUID]) -> list[Prompt]:
    found = Prompt.objects.in_bulk(codes, field_name="code")
    _refuse_unknown("prompts", set(codes) - found.keys())
    return [found[code] for code in codes]


def _ranked_items(comparisons: list[dict[str, Any]]) -> list[tuple[Prompt, list[PromptResponse]]]:
    prompts = _prompts([comparison["prompt"] for comparison in comparisons])
    codes = {code for comparison in comparisons for code in comparison["responses"]}
    responses = PromptResponse.objects.in_bulk(codes, field_name="code")
    _refuse_unknown("responses", codes - responses.keys())
    return [
        (prompt, [responses[code] for code in comparison["responses"]])
        for prompt, comparison in zip(prompts, comparisons, strict=True)
    ]


def _refuse_unknown(field: str, codes: set[UUID]) -> None:
    if codes:
        names = ", ".join(sorted(map(str, codes))[:5])
        raise InvalidInput(
            f"There are no {field} with these codes: {names}.", fields={field: f"unknown: {names}"}
        )
