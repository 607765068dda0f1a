"""Two datasets of a kind side by side, for staff."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import InvalidInput, NotFound
from labeling.rules.access import Action
from training.models import Dataset
from training.rules.dataset_comparison import SHOWN, compare_datasets


class OtherQuery(Body):
    """With which dataset to compare."""

    other = serializers.UUIDField()


class ChangeBody(Body):
    """Records of one kind of change."""

    total = serializers.IntegerField()
    by_split = serializers.DictField(child=serializers.IntegerField())
    ids = serializers.ListField(child=serializers.CharField(), help_text=f"The first {SHOWN}.")


class DifferenceBody(Body):
    """What lies between two datasets, the older one first, whichever was named first."""

    older = serializers.UUIDField(source="older.code")
    newer = serializers.UUIDField(source="newer.code")
    are_equal = serializers.BooleanField()
    same = serializers.IntegerField(help_text="Records that are as they were.")
    added = ChangeBody()
    removed = ChangeBody()
    changed = ChangeBody()
    moved = ChangeBody(help_text="In another part now.")
    selection = serializers.DictField(
        child=serializers.ListField(child=serializers.JSONField(allow_null=True)),
        help_text="What was selected otherwise: [older, newer].",
    )
    dropped = serializers.DictField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="What was left out in other numbers, by reason: [older, newer].",
    )


class Compare(APIView):
    """What lies between two datasets."""

    permission_classes = (Requires(Action.EXPORT),)

    @extend_schema(
        parameters=[OtherQuery],
        responses={200: DifferenceBody, 403: ErrorBody, 404: ErrorBody, 422: ErrorBody},
        tags=["datasets"],
    )
    def get(self, request: Request, code: UUID) -> Response:
        """Compare two datasets of a kind record by record."""
        given: Dataset = generics.get_object_or_404(Dataset.objects.all(), code=code)
        query = OtherQuery(data=request.query_params)
        query.is_valid(raise_exception=True)
        other = Dataset.objects.filter(code=query.validated_data["other"]).first()
        if other is None or other == given:
            text = "other: name another dataset." if other else "other: there is no such dataset."
            raise InvalidInput(text, fields={"other": text})
        older, newer = sorted((given, other), key=lambda row: row.pk)
        try:
            found: Any = compare_datasets(older, newer)
        except FileNotFoundError:
            raise NotFound("The files of one of the two are not where they were stored.") from None
        return Response(DifferenceBody(found).data)
