"""What labels cost, for staff: by kind of task, by round, by point of win rate; and the prices of an hour."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import InvalidInput
from labeling.models import Labeler, PayRate, TaskKind
from labeling.rules.access import Action
from labeling.rules.costs import Cost
from labeling.rules.pay_rates import MAX_PER_HOUR, add_rate
from training.models import MachineRate
from training.rules.costs import PerPoint, RoundCost, cost_report
from training.rules.machine_rates import add_machine_rate


class CostBody(Body):
    """Time at work and its price."""

    hours = serializers.FloatField()
    money = serializers.CharField(allow_null=True, help_text="A decimal number; none without a rate.")
    unpriced_hours = serializers.FloatField(help_text="In no sum of money.")


class PerPointBody(Body):
    """What one point of win rate above one half cost."""

    points = serializers.FloatField()
    hours = serializers.FloatField()
    money = serializers.CharField(allow_null=True)


class RoundCostBody(Body):
    """One round."""

    round = serializers.UUIDField()
    number = serializers.IntegerField()
    demonstration = CostBody()
    comparison = CostBody()
    evaluation = CostBody()
    machine_hours = serializers.FloatField()
    machine = CostBody()
    win_rate = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    per_point = PerPointBody(allow_null=True)


class CostReportBody(Body):
    """Everything together."""

    currency = serializers.CharField(allow_blank=True)
    total = CostBody()
    kinds = serializers.DictField(child=CostBody())
    machine = CostBody(help_text="Of the runs of all rounds.")
    machine_per_point = PerPointBody(allow_null=True)
    per_point = PerPointBody(allow_null=True)
    per_point_by_kind = serializers.DictField(child=PerPointBody(allow_null=True))
    rounds = RoundCostBody(many=True)


class PayRateBody(serializers.ModelSerializer[PayRate]):
    """The price of an hour from a day on."""

    labeler = serializers.UUIDField(source="labeler.code", default=None, allow_null=True)

    class Meta:
        model = PayRate
        fields = ("code", "per_hour", "currency", "valid_from", "labeler", "vendor", "kind", "created_at")


class PayRateRequest(Body):
    """A new price; without labeler, vendor and kind it is for all."""

    per_hour = serializers.DecimalField(max_digits=9, decimal_places=2, min_value=0, max_value=MAX_PER_HOUR)
    currency = serializers.CharField(max_length=3)
    valid_from = serializers.DateField()
    labeler = serializers.UUIDField(required=False)
    vendor = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)
    kind = Choice(choices=TaskKind.choices, required=False, default="", allow_blank=True)


class MachineRateBody(serializers.ModelSerializer[MachineRate]):
    """What an hour of a run costs from a day on; an empty queue means all."""

    class Meta:
        model = MachineRate
        fields = ("code", "per_hour", "valid_from", "queue", "created_at")


class MachineRateRequest(Body):
    """A new price, in the currency of the rates for labeling."""

    per_hour = serializers.DecimalField(max_digits=9, decimal_places=2, min_value=0, max_value=MAX_PER_HOUR)
    valid_from = serializers.DateField()
    queue = serializers.CharField(max_length=40, required=False, default="", allow_blank=True)


class Costs(APIView):
    """What labels cost."""

    permission_classes = (Requires(Action.SEE_COSTS),)

    @extend_schema(
        parameters=[OpenApiParameter("simulated", bool)],
        responses={200: CostReportBody, 403: ErrorBody},
        tags=["costs"],
    )
    def get(self, request: Request) -> Response:
        """Return hours and money by kind, round and point of win rate."""
        simulated = request.query_params.get("simulated", "").lower() in ("true", "yes", "1")
        report = cost_report(simulated=simulated)
        return Response(
            {
                "currency": report.currency,
                "total": cost_body(report.total),
                "kinds": {kind: cost_body(cost) for kind, cost in report.kinds.items()},
                "per_point": point_body(report.over_all),
                "per_point_by_kind": {kind: point_body(point) for kind, point in report.by_kind.items()},
                "machine": cost_body(report.machine),
                "machine_per_point": point_body(report.machine_per_point),
                "rounds": [round_body(each) for each in report.rounds],
            }
        )


class PayRates(generics.ListAPIView[PayRate]):
    """The prices of an hour."""

    permission_classes = (Requires(Action.SEE_COSTS, write=Action.SET_PAY_RATES),)
    pagination_class = KeysetPagination
    serializer_class = PayRateBody
    queryset = PayRate.objects.select_related("labeler")

    @extend_schema(responses={200: PayRateBody(many=True), 403: ErrorBody}, tags=["costs"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List rates, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=PayRateRequest, responses={201: PayRateBody, 403: ErrorBody, 422: ErrorBody}, tags=["costs"]
    )
    def post(self, request: Request) -> Response:
        """Set the price of an hour from a day on."""
        body = PayRateRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = dict(body.validated_data)
        code = wanted.pop("labeler", None)
        labeler = Labeler.objects.filter(code=code).first() if code else None
        if code and labeler is None:
            raise InvalidInput("There is no such labeler.", fields={"labeler": "unknown"})
        rate = add_rate(**wanted, labeler=labeler, by=user_of(request))
        return Response(PayRateBody(rate).data, status=status.HTTP_201_CREATED)


class MachineRates(generics.ListAPIView[MachineRate]):
    """The prices of an hour of a run."""

    permission_classes = (Requires(Action.SEE_COSTS, write=Action.SET_PAY_RATES),)
    pagination_class = KeysetPagination
    serializer_class = MachineRateBody
    queryset = MachineRate.objects.all()

    @extend_schema(responses={200: MachineRateBody(many=True), 403: ErrorBody}, tags=["costs"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List rates of machines, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(
        request=MachineRateRequest,
        responses={201: MachineRateBody, 403: ErrorBody, 422: ErrorBody},
        tags=["costs"],
    )
    def post(self, request: Request) -> Response:
        """Set the price of an hour of a run from a day on."""
        body = MachineRateRequest(data=request.data)
        body.is_valid(raise_exception=True)
        rate = add_machine_rate(**body.validated_data, by=user_of(request))
        return Response(MachineRateBody(rate).data, status=status.HTTP_201_CREATED)


def cost_body(cost: Cost) -> dict[str, Any]:
    """Return a cost as plain values."""
    amount = cost.amount
    return {
        "hours": round(cost.hours, 4),
        "money": None if amount is None else str(amount),
        "unpriced_hours": round(cost.unpriced / 3600, 4),
    }


def point_body(point: PerPoint | None) -> dict[str, Any] | None:
    """Return what a point cost as plain values."""
    if point is None:
        return None
    money = None if point.money is None else str(point.money)
    return {"points": point.points, "hours": point.hours, "money": money}


def round_body(each: RoundCost) -> dict[str, Any]:
    """Return a round's cost as plain values."""
    return {
        "round": str(each.row.code),
        "number": each.row.number,
        "demonstration": cost_body(each.demonstration),
        "comparison": cost_body(each.comparison),
        "evaluation": cost_body(each.evaluation),
        "machine_hours": round(each.machine.hours, 4),
        "machine": cost_body(each.machine),
        "win_rate": each.rate.value if each.rate else None,
        "low": each.rate.low if each.rate else None,
        "high": each.rate.high if each.rate else None,
        "per_point": point_body(each.per_point),
    }
