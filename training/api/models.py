"""The registry of models, for staff."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.rules.access import Action
from training.models import Model, ModelKind, ModelStatus
from training.rules import models
from training.rules.lineage import Lineage, descendants, lineage
from training.rules.over_optimisation import Finding, over_optimisation_of
from training.rules.round_choices import round_body


class ModelBody(serializers.ModelSerializer[Model]):
    """Weights in the registry and what they came from."""

    run = serializers.UUIDField(source="run.code", default=None, allow_null=True)
    start_model = serializers.UUIDField(
        source="parent.code", default=None, allow_null=True, help_text="What its training started from."
    )
    reward_model = serializers.UUIDField(source="reward_model.code", default=None, allow_null=True)
    policy = serializers.CharField(
        source="policy.name", default=None, allow_null=True, help_text="Under which its responses stand."
    )
    facts = serializers.DictField(help_text="What training left beside the weights.")

    class Meta:
        model = Model
        fields: tuple[str, ...] = (
            "code",
            "name",
            "kind",
            "run",
            "start_model",
            "reward_model",
            "policy",
            "source",
            "facts",
            "status",
            "status_reason",
            "weights_deleted_at",
            "created_at",
        )


class AlarmBody(Body):
    """What reward, KL and labelers say of a policy that PPO made; `docs/metrics.md` defines it."""

    state = serializers.CharField(help_text="alarm, unjudged (too few judgements to tell), or calm")
    sentence = serializers.CharField(help_text="What was found and what to do.")
    score_rise = serializers.FloatField(help_text="In standard deviations of the score at the start.")
    kl_rise = serializers.FloatField(help_text="In nats per response.")
    baseline = serializers.CharField(
        allow_blank=True, help_text="The policy that labelers compared it with; empty before they did."
    )
    win_rate = serializers.FloatField(source="rate.value", default=None, allow_null=True)
    low = serializers.FloatField(source="rate.low", default=None, allow_null=True)
    high = serializers.FloatField(source="rate.high", default=None, allow_null=True)
    judgements = serializers.IntegerField(source="rate.judgements", default=0)
    wanted = serializers.IntegerField(help_text="Judgements that are needed to speak.")


class ModelDetailBody(ModelBody):
    """A model with its lineage: every model and dataset behind it, and every model made from it."""

    lineage = serializers.SerializerMethodField()
    descendants = serializers.SerializerMethodField()
    over_optimisation = serializers.SerializerMethodField(help_text="What the alarm says; empty: nothing.")
    alarm = serializers.SerializerMethodField(help_text="The same in numbers; null where there is nothing.")

    class Meta(ModelBody.Meta):
        fields = (*ModelBody.Meta.fields, "lineage", "descendants", "over_optimisation", "alarm")

    def to_representation(self, instance: Model) -> Any:
        """Look for over-optimisation once for both of its fields."""
        self.finding: Finding | None = over_optimisation_of(instance)
        return super().to_representation(instance)

    @extend_schema_field(serializers.CharField())
    def get_over_optimisation(self, model: Model) -> str:
        """Say what reward, KL and labelers say of a policy that PPO made."""
        return self.finding.sentence if self.finding is not None else ""

    @extend_schema_field(AlarmBody(allow_null=True))
    def get_alarm(self, model: Model) -> Any:
        """Return the alarm's finding with its baseline and win rate."""
        return AlarmBody(self.finding).data if self.finding is not None else None

    @extend_schema_field(serializers.DictField())
    def get_lineage(self, model: Model) -> dict[str, Any]:
        """Return the tree of what is behind the model."""
        return lineage_body(lineage(model))

    @extend_schema_field(serializers.ListField(child=serializers.UUIDField()))
    def get_descendants(self, model: Model) -> list[str]:
        """Return the codes of the models made from it."""
        return [str(child.code) for child in descendants(model)]


class ImportRequest(Body):
    """A model from outside: a folder on the server, or an id on the hub."""

    location = serializers.CharField(max_length=300)
    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=ModelKind.choices, default=ModelKind.BASE)


@extend_schema(tags=["models"])
class ModelList(generics.ListAPIView[Model]):
    """Models, newest first."""

    permission_classes = (Requires(Action.SEE_MODELS, write=Action.RUN_TRAINING),)
    pagination_class = KeysetPagination
    serializer_class = ModelBody
    queryset = Model.objects.all()

    def get_queryset(self) -> QuerySet[Model]:
        """Return the models of the kind and status that the address asks for."""
        rows = Model.objects.select_related("run", "parent", "reward_model", "policy")
        kind, status = (self.request.query_params.get(name, "") for name in ("kind", "status"))
        rows = rows.of_kind(kind) if kind in ModelKind.values else rows
        return rows.filter(status=status) if status in ModelStatus.values else rows

    @extend_schema(
        parameters=[
            OpenApiParameter("kind", enum=ModelKind.values),
            OpenApiParameter("status", enum=ModelStatus.values),
        ],
        responses={200: ModelBody(many=True), 403: ErrorBody},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List models."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=ImportRequest, responses={201: ModelDetailBody, 403: ErrorBody, 422: ErrorBody})
    def post(self, request: Request) -> Response:
        """Enter a model from outside."""
        body = ImportRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        model = models.import_model(
            source=wanted["location"], name=wanted["name"], kind=wanted["kind"], by=user_of(request)
        )
        return Response(ModelDetailBody(model).data, status=status.HTTP_201_CREATED)


@extend_schema(responses={200: ModelDetailBody, 403: ErrorBody, 404: ErrorBody}, tags=["models"])
class ModelDetail(generics.RetrieveAPIView[Model]):
    """Return a model and its lineage."""

    permission_classes = (Requires(Action.SEE_MODELS),)
    serializer_class = ModelDetailBody
    queryset = Model.objects.select_related("run", "parent", "reward_model", "policy")
    lookup_field = "code"


def lineage_body(node: Lineage) -> dict[str, Any]:
    """Return a lineage as nested values."""
    return {
        "model": str(node.model.code),
        "name": node.model.name,
        "kind": node.model.kind,
        "role": node.role,
        "round": round_body(node.round) if node.round is not None else None,
        "datasets": [
            {"role": role, "code": str(dataset.code), "kind": dataset.kind, "hash": dataset.hash}
            for role, dataset in node.datasets
        ],
        "sources": [lineage_body(source) for source in node.sources],
    }
