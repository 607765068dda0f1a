"""Datasets, for staff: frozen, listed, read."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
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
from labeling.models import Split
from labeling.rules.access import Action
from training.models import Dataset, DatasetKind
from training.rules import artifacts
from training.rules.dataset_formats import FORMATS, NATIVE, part_file
from training.rules.datasets import freeze_dataset, read_records


class DatasetBody(serializers.ModelSerializer[Dataset]):
    """A frozen selection of labels."""

    counts = serializers.DictField(child=serializers.IntegerField(), help_text="Records by part.")

    class Meta:
        model = Dataset
        fields: tuple[str, ...] = ("code", "kind", "name", "hash", "rows", "counts", "created_at")


class DatasetDetailBody(DatasetBody):
    """A dataset with its manifest."""

    manifest = serializers.DictField(help_text="Parts with their hashes, what was selected and left out.")

    statistics = serializers.DictField(help_text="Lengths in words, categories, labelers, ties.")

    class Meta(DatasetBody.Meta):
        fields = (*DatasetBody.Meta.fields, "manifest", "statistics")


class FreezeRequest(Body):
    """What to freeze; the same labels give the same dataset again."""

    kind = serializers.ChoiceField(choices=DatasetKind.choices, help_text="Any but pretrain.")
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    selection = serializers.DictField(
        required=False, default=dict, help_text="batches, sources, cohorts, prompts, include_simulated, up_to"
    )


class RecordQuery(Body):
    """Which records to read."""

    split = serializers.ChoiceField(choices=Split.choices, default=Split.TRAIN)
    first = serializers.IntegerField(min_value=0, default=0)
    count = serializers.IntegerField(min_value=1, max_value=200, default=20)
    words = serializers.CharField(
        default="", allow_blank=True, max_length=200, help_text="Only records with them."
    )
    category = serializers.CharField(default="", allow_blank=True, max_length=40)


class RecordsBody(Body):
    """Records as they stand in the part."""

    records = serializers.ListField(child=serializers.DictField())


@extend_schema(tags=["datasets"])
class DatasetList(generics.ListAPIView[Dataset]):
    """Datasets, newest first."""

    permission_classes = (Requires(Action.EXPORT),)
    pagination_class = KeysetPagination
    serializer_class = DatasetBody
    queryset = Dataset.objects.all()

    def get_queryset(self) -> QuerySet[Dataset]:
        """Return the datasets of the kind that the address asks for."""
        kind = self.request.query_params.get("kind", "")
        return Dataset.objects.of_kind(kind) if kind in DatasetKind.values else Dataset.objects.all()

    @extend_schema(
        parameters=[OpenApiParameter("kind", enum=DatasetKind.values)],
        responses={200: DatasetBody(many=True), 403: ErrorBody},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List datasets."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=FreezeRequest, responses={201: DatasetDetailBody, 403: ErrorBody, 422: ErrorBody})
    def post(self, request: Request) -> Response:
        """Freeze labels into a dataset."""
        body = FreezeRequest(data=request.data)
        body.is_valid(raise_exception=True)
        dataset = freeze_dataset(**body.validated_data, by=user_of(request))
        return Response(DatasetDetailBody(dataset).data, status=status.HTTP_201_CREATED)


@extend_schema(responses={200: DatasetDetailBody, 403: ErrorBody, 404: ErrorBody}, tags=["datasets"])
class DatasetDetail(generics.RetrieveAPIView[Dataset]):
    """Return a dataset and its manifest."""

    permission_classes = (Requires(Action.EXPORT),)
    serializer_class = DatasetDetailBody
    queryset = Dataset.objects.all()
    lookup_field = "code"


class Records(APIView):
    """What stands in a dataset."""

    permission_classes = (Requires(Action.EXPORT),)

    @extend_schema(parameters=[RecordQuery], responses={200: RecordsBody, 404: ErrorBody}, tags=["datasets"])
    def get(self, request: Request, code: UUID) -> Response:
        """Read some records of a part."""
        query = RecordQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        dataset = Dataset.objects.filter(code=code).first()
        if dataset is None:
            raise NotFound("There is no such dataset.")
        return Response({"records": read_records(dataset, **query.validated_data)})


class Part(APIView):
    """Every record of a part."""

    permission_classes = (Requires(Action.EXPORT),)

    @extend_schema(
        parameters=[OpenApiParameter("file_format", enum=FORMATS, default=NATIVE)],
        responses={
            (200, "application/x-ndjson"): OpenApiTypes.BINARY,
            (200, "application/vnd.apache.parquet"): OpenApiTypes.BINARY,
            403: ErrorBody,
            404: ErrorBody,
            422: ErrorBody,
        },
        tags=["datasets"],
    )
    def get(self, request: Request, code: UUID, split: str) -> StreamingHttpResponse:
        """Stream a part: JSON lines as they were frozen, TRL's, or Parquet."""
        dataset = Dataset.objects.filter(code=code).first()
        if dataset is None or split not in dataset.counts:
            raise NotFound("There is no such dataset, or it has no such part.")
        if not artifacts.exists(dataset.folder):
            raise NotFound("The files of this dataset are not where they were stored.")
        part = part_file(dataset, split, request.query_params.get("file_format", NATIVE))
        return StreamingHttpResponse(part.pieces, content_type=part.content_type)
