"""How far labelers agree, for staff."""

from dataclasses import asdict

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import NotFound
from labeling.models import Batch, Cohort
from labeling.rules import agreement
from labeling.rules.access import Action


class AgreementFilter(Body):
    """What to compare."""

    batch = serializers.UUIDField(required=False)
    cohort = Choice(choices=Cohort.choices, required=False)
    tie_mode = Choice(choices=agreement.TIE_MODES, default="strict")


class AgreementBody(Body):
    """Pairwise agreement; null where there is nothing to compare."""

    tie_mode = Choice(choices=agreement.TIE_MODES)
    value = serializers.FloatField(allow_null=True, help_text="Share of pairs ordered alike, 0 to 1.")
    macro = serializers.FloatField(allow_null=True, help_text="Mean over tasks.")
    standard_error = serializers.FloatField(allow_null=True, help_text="Clustered on tasks.")
    low = serializers.FloatField(allow_null=True, help_text="Lower end of the 95 % interval.")
    high = serializers.FloatField(allow_null=True)
    chance = serializers.FloatField()
    pairs = serializers.IntegerField()
    tasks = serializers.IntegerField()
    tie_fraction = serializers.FloatField(allow_null=True)
    labelers = serializers.IntegerField(help_text="People among those compared.")
    bootstrap = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="95 % interval from drawing tasks anew."
    )
    crossed = serializers.ListField(
        child=serializers.FloatField(),
        allow_null=True,
        help_text="The same from drawing tasks and labelers; only with fewer than 15 labelers.",
    )


class Agreement(APIView):
    """Pairwise agreement."""

    permission_classes = (Requires(Action.SEE_AGREEMENT),)

    @extend_schema(
        parameters=[AgreementFilter],
        responses={200: AgreementBody, 403: ErrorBody, 404: ErrorBody, 422: ErrorBody},
        tags=["agreement"],
    )
    def get(self, request: Request) -> Response:
        """Return pairwise agreement over a batch, a cohort, or everything."""
        wanted = AgreementFilter(data=request.query_params)
        wanted.is_valid(raise_exception=True)
        batch = None
        if "batch" in wanted.validated_data:
            batch = Batch.objects.filter(code=wanted.validated_data["batch"]).first()
            if batch is None:
                raise NotFound("There is no such batch.")
        mode, cohort = wanted.validated_data["tie_mode"], wanted.validated_data.get("cohort")
        found = agreement.agreement_in_every_mode(batch, cohort, modes=(mode,), resampled=True)
        return Response(asdict(found[mode]))
