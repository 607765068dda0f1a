"""Lineage from the other end, for staff; and for labelers, the rounds their labels went into."""

from typing import Any
from uuid import UUID

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.permissions import HasLabelerProfile, Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.models import Labeler, Prompt
from labeling.rules.access import Action, labeler_of
from training.models import DatasetKind, ModelKind, RunState, Stage
from training.rules.round_outcomes import outcomes_for, rounds_of
from training.rules.seen_by import SeenBy, labeler_seen_by, prompt_seen_by

ROUNDS_TOLD = 20


class SeenDatasetBody(Body):
    """A dataset that holds the prompt, or labels of the labeler."""

    code = serializers.UUIDField()
    kind = serializers.ChoiceField(choices=DatasetKind.choices)
    name = serializers.CharField()
    hash = serializers.CharField()
    records = serializers.IntegerField(allow_null=True, help_text="How many are the labeler's.")


class SeenRunBody(Body):
    """A run that read one of the datasets."""

    code = serializers.UUIDField()
    stage = serializers.ChoiceField(choices=Stage.choices)
    state = serializers.ChoiceField(choices=RunState.choices)


class SeenModelBody(Body):
    """A model that saw it."""

    code = serializers.UUIDField()
    name = serializers.CharField()
    kind = serializers.ChoiceField(choices=ModelKind.choices)
    is_direct = serializers.BooleanField(help_text="Its own run read it; else a model it came from did.")


class SeenByBody(Body):
    """Everything that saw a prompt or a labeler's labels."""

    datasets = SeenDatasetBody(many=True)
    runs = SeenRunBody(many=True)
    models = SeenModelBody(many=True)
    untraced_datasets = serializers.IntegerField(help_text="Not looked through yet.")


class OutcomeBody(Body):
    """A round as a labeler may know it."""

    number = serializers.IntegerField()
    demonstrations = serializers.IntegerField()
    comparisons = serializers.IntegerField()
    judgements = serializers.IntegerField()
    learned_from = serializers.IntegerField(help_text="Records of what was trained on that are the caller's.")
    state = serializers.ChoiceField(choices=["collecting", "learning", "judging", "judged"])
    preferred_fraction = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class PromptSeenBy(APIView):
    """What saw a prompt."""

    permission_classes = (Requires(Action.SEE_LINEAGE),)

    @extend_schema(
        operation_id="prompt_seen_by",
        responses={200: SeenByBody, 403: ErrorBody, 404: ErrorBody},
        tags=["lineage"],
    )
    def get(self, request: Request, code: UUID) -> Response:
        """Return every dataset, run and model that saw a prompt."""
        return Response(seen_body(prompt_seen_by(get_object_or_404(Prompt, code=code))))


class LabelerSeenBy(APIView):
    """What a labeler's labels went into."""

    permission_classes = (Requires(Action.SEE_LINEAGE),)

    @extend_schema(
        operation_id="labeler_seen_by",
        responses={200: SeenByBody, 403: ErrorBody, 404: ErrorBody},
        tags=["lineage"],
    )
    def get(self, request: Request, code: UUID) -> Response:
        """Return every dataset, run and model behind which a labeler's labels stand."""
        return Response(seen_body(labeler_seen_by(get_object_or_404(Labeler, code=code))))


class OwnRounds(APIView):
    """The rounds that the caller's labels went into."""

    permission_classes = (HasLabelerProfile,)

    @extend_schema(responses={200: OutcomeBody(many=True), 403: ErrorBody}, tags=["labeling"])
    def get(self, request: Request) -> Response:
        """Return the newest rounds with a label of the caller, and how each did."""
        labeler = labeler_of(user_of(request))
        assert labeler is not None  # the permission asked for one
        rows = list(rounds_of(labeler)[:ROUNDS_TOLD])
        return Response(
            [
                {
                    "number": outcome.number,
                    "demonstrations": outcome.demonstrations,
                    "comparisons": outcome.comparisons,
                    "judgements": outcome.judgements,
                    "learned_from": outcome.learned_from,
                    "state": outcome.state,
                    "preferred_fraction": outcome.rate.value if outcome.rate else None,
                    "low": outcome.rate.low if outcome.rate else None,
                    "high": outcome.rate.high if outcome.rate else None,
                }
                for outcome in outcomes_for(labeler, rows)
            ]
        )


def seen_body(seen: SeenBy) -> dict[str, Any]:
    """Return what saw something as plain values."""
    direct = {model.pk for model in seen.direct}
    return {
        "datasets": [
            {
                "code": str(row.code),
                "kind": row.kind,
                "name": row.name,
                "hash": row.hash,
                "records": seen.records.get(row.pk),
            }
            for row in seen.datasets
        ],
        "runs": [{"code": str(row.code), "stage": row.stage, "state": row.state} for row in seen.runs],
        "models": [
            {"code": str(row.code), "name": row.name, "kind": row.kind, "is_direct": row.pk in direct}
            for row in seen.models
        ],
        "untraced_datasets": seen.untraced,
    }
