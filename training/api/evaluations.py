"""Evaluations, for staff: two policies compared by labelers."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import InvalidInput
from labeling.models import Cohort, Policy, Split, TaskKind
from labeling.rules.access import Action
from training.api.refusals import config_checked
from training.models import Evaluation
from training.rules.evaluations import splits_of, start_evaluation, win_rate, win_rates_by_cohort
from training.rules.sampling import choose_prompts
from training.tasks import enqueue_run


class WinRateBody(Body):
    """How often the policy is preferred; a tie counts half. Empty without judgements."""

    win_rate = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True, help_text="Of the 95 % interval, clustered by prompt.")
    high = serializers.FloatField(allow_null=True)
    wins = serializers.IntegerField()
    losses = serializers.IntegerField()
    ties = serializers.IntegerField()
    prompts = serializers.IntegerField()
    judgements = serializers.IntegerField()
    likert = serializers.FloatField(allow_null=True, help_text="Mean rating, 1 to 7.")
    likert_low = serializers.FloatField(
        allow_null=True, help_text="Of its 95 % interval, clustered by prompt; none with one rated prompt."
    )
    likert_high = serializers.FloatField(allow_null=True)
    baseline_likert = serializers.FloatField(allow_null=True)
    baseline_likert_low = serializers.FloatField(allow_null=True)
    baseline_likert_high = serializers.FloatField(allow_null=True)
    tie_counts_as = serializers.FloatField()
    confidence = serializers.FloatField()


class EvaluationBody(serializers.ModelSerializer[Evaluation]):
    """Two policies that answer the same prompts."""

    policy = serializers.CharField(source="policy.name")
    baseline = serializers.CharField(source="baseline.name")
    batch = serializers.UUIDField(source="batch.code")

    class Meta:
        model = Evaluation
        fields: tuple[str, ...] = ("code", "name", "policy", "baseline", "batch", "created_at")


class EvaluationDetailBody(EvaluationBody):
    """An evaluation with its win rate, over all and by labeler cohort."""

    result = serializers.SerializerMethodField()
    cohorts = serializers.SerializerMethodField()
    splits = serializers.SerializerMethodField(help_text="How many prompts are by authors of each split.")

    class Meta(EvaluationBody.Meta):
        fields = (*EvaluationBody.Meta.fields, "result", "cohorts", "splits")

    def get_splits(self, row: Evaluation) -> dict[str, int]:
        """Count the prompts by their authors' split."""
        return splits_of(row)

    @extend_schema_field(WinRateBody)
    def get_result(self, row: Evaluation) -> dict[str, Any]:
        """Compute the win rate."""
        return win_rate(policy=row.policy, baseline=row.baseline, batch=row.batch).as_mapping()

    @extend_schema_field(serializers.DictField(child=WinRateBody()))
    def get_cohorts(self, row: Evaluation) -> dict[str, Any]:
        """Compute the win rate by labeler cohort."""
        found = win_rates_by_cohort(policy=row.policy, baseline=row.baseline, batch=row.batch)
        return {cohort: rate.as_mapping() for cohort, rate in found.items()}


class EvaluationRequest(Body):
    """A new evaluation; policies are named by their names."""

    policy = serializers.CharField()
    baseline = serializers.CharField()
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    split = serializers.ChoiceField(
        choices=Split.choices,
        default=Split.TEST,
        help_text="Whose prompts; train only where neither policy was trained here.",
    )
    prompts = serializers.IntegerField(min_value=1, max_value=100_000, default=100)
    cohorts = serializers.ListField(
        child=serializers.ChoiceField(choices=Cohort.choices),
        default=[Cohort.TRAIN.value, Cohort.HELD_OUT.value],
        allow_empty=False,
    )
    overlap = serializers.IntegerField(min_value=1, max_value=20, default=1)
    temperature = serializers.FloatField(min_value=0, max_value=5, default=1.0)
    config = serializers.DictField(required=False, default=dict, help_text="Settings of the sample stage.")


@extend_schema(tags=["evaluations"])
class EvaluationList(generics.ListAPIView[Evaluation]):
    """Evaluations, newest first."""

    permission_classes = (Requires(Action.SEE_MODELS, write=Action.RUN_TRAINING),)
    pagination_class = KeysetPagination
    serializer_class = EvaluationBody
    queryset = Evaluation.objects.select_related("policy", "baseline", "batch")

    @extend_schema(responses={200: EvaluationBody(many=True), 403: ErrorBody})
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List evaluations."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=EvaluationRequest, responses={201: EvaluationDetailBody, 403: ErrorBody, 422: ErrorBody}
    )
    def post(self, request: Request) -> Response:
        """Let two policies answer the same prompts, and labelers compare them."""
        body = EvaluationRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = dict(body.validated_data)
        with config_checked(), transaction.atomic():
            evaluation, runs = start_evaluation(
                policy=_policy(wanted.pop("policy"), "policy"),
                baseline=_policy(wanted.pop("baseline"), "baseline"),
                prompts=choose_prompts(
                    split=wanted.pop("split"), count=wanted.pop("prompts"), used_in=TaskKind.EVALUATION
                ),
                by=user_of(request),
                **wanted,
            )
        for run in runs:
            enqueue_run(run)
        return Response(EvaluationDetailBody(evaluation).data, status=status.HTTP_201_CREATED)


@extend_schema(responses={200: EvaluationDetailBody, 403: ErrorBody, 404: ErrorBody}, tags=["evaluations"])
class EvaluationDetail(generics.RetrieveAPIView[Evaluation]):
    """Return an evaluation and its win rate."""

    permission_classes = (Requires(Action.SEE_MODELS),)
    serializer_class = EvaluationDetailBody
    queryset = Evaluation.objects.select_related("policy", "baseline", "batch")
    lookup_field = "code"


def _policy(name: str, field: str) -> Policy:
    policy = Policy.objects.filter(name=name).first()
    if policy is None:
        raise InvalidInput(f'{field}: there is no policy "{name}".', fields={field: "unknown"})
    return policy
