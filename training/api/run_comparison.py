"""Runs side by side: where their settings and inputs differ, their results and their curves."""

from typing import Any

from django.db.models import Prefetch, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import InvalidInput
from labeling.rules.access import Action
from training.models import Dataset, Model, Run
from training.rules.run_comparison import MOST_RUNS, Row, compare_runs, joint_curves

READ = (
    Prefetch("inputs__dataset", Dataset.objects.defer("manifest", "statistics")),
    Prefetch("inputs__model", Model.objects.defer("facts")),
)
RUNS = OpenApiParameter("run", OpenApiTypes.UUID, many=True, required=True, description="Two to five.")


class ChosenQuery(Body):
    """Which runs to set side by side."""

    run = serializers.ListField(child=serializers.UUIDField(), min_length=2, max_length=MOST_RUNS)


class RowBody(Body):
    """A setting, an input or a final number, with its value in each run; null where a run has none."""

    name = serializers.CharField()
    values = serializers.ListField(child=serializers.JSONField(allow_null=True))
    differs = serializers.BooleanField()
    help = serializers.CharField(allow_blank=True)
    paper = serializers.CharField(allow_blank=True, help_text="What the paper used.")


class ComparisonBody(Body):
    """Runs side by side; lists of values stand in the order of `runs`."""

    runs = serializers.ListField(child=serializers.UUIDField())
    settings = RowBody(many=True)
    inputs = RowBody(many=True)
    results = RowBody(many=True)


class JointCurvesBody(Body):
    """For each metric that any of the runs reported, a curve for each run; empty where it has none."""

    runs = serializers.ListField(child=serializers.UUIDField())
    curves = serializers.DictField(
        child=serializers.ListField(
            child=serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))
        )
    )


class Compare(APIView):
    """Where runs differ."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(
        operation_id="runs_compare",
        parameters=[RUNS],
        responses={200: ComparisonBody, 403: ErrorBody, 422: ErrorBody},
        tags=["runs"],
    )
    def get(self, request: Request) -> Response:
        """Return settings, inputs and results of two to five runs, in the order named."""
        chosen = _chosen(request, Run.objects.prefetch_related(*READ))
        found = compare_runs(chosen)
        groups = {"settings": found.settings, "inputs": found.inputs, "results": found.results}
        body = {name: [_row(row) for row in rows] for name, rows in groups.items()}
        return Response({"runs": [str(run.code) for run in chosen], **body})


class ComparePoints(APIView):
    """How runs went."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(
        operation_id="runs_compare_points",
        parameters=[RUNS],
        responses={200: JointCurvesBody, 403: ErrorBody, 422: ErrorBody},
        tags=["runs"],
    )
    def get(self, request: Request) -> Response:
        """Return the curves of two to five runs, thinned to 300 points each."""
        chosen = _chosen(request, Run.objects.only("pk", "code"))
        return Response({"runs": [str(run.code) for run in chosen], "curves": joint_curves(chosen)})


def _row(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "values": row.values,
        "differs": row.differs,
        "help": row.help,
        "paper": row.paper,
    }


def _chosen(request: Request, rows: QuerySet[Run]) -> list[Run]:
    """Return the runs that the address names, in its order; refuse one that is not there."""
    query = ChosenQuery(data={"run": list(dict.fromkeys(request.query_params.getlist("run")))})
    query.is_valid(raise_exception=True)
    codes = query.validated_data["run"]
    found = {run.code: run for run in rows.filter(code__in=codes)}
    if missing := [str(code) for code in codes if code not in found]:
        text = f"run: there is none with the code {', '.join(missing)}."
        raise InvalidInput(text, fields={"run": text})
    return [found[code] for code in codes]
