"""Public evaluation sets, for staff: which are known, and the files of one taken in."""

import tempfile
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.rules.access import Action
from training.api.datasets import DatasetBody
from training.forms.benchmarks import FORM_TITLES, MOST_BYTES, wrong_file
from training.rules.benchmark_files import import_benchmark_file, keep_file
from training.rules.benchmark_sets import FORMS, OWN, SETS

REFUSALS_TOLD = 20


class SetBody(Body):
    """A public set that is known, as it is published."""

    key = serializers.CharField()
    title = serializers.CharField()
    form = serializers.CharField(help_text="How its questions are put and scored.")
    few_shot = serializers.CharField(help_text="Solved examples that the paper showed before a question.")
    columns = serializers.CharField(help_text="What a row needs.")


class ImportSetRequest(Body):
    """Files of a set: JSONL, CSV or Parquet, plain or gzipped."""

    set = Choice(choices=[*((key, known.title) for key, known in SETS.items()), (OWN, "Own questions")])
    form = Choice(
        choices=[(key, FORM_TITLES[key]) for key in FORMS],
        required=False,
        help_text="Only for own questions.",
    )
    file = serializers.FileField(help_text=f"The questions; {MOST_BYTES >> 20} MB at most.")
    few_shot = serializers.FileField(required=False, help_text="Solved examples of the same set.")
    name = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    license = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)

    def validate_file(self, given: "UploadedFile[Any]") -> "UploadedFile[Any]":
        """Refuse a file that is too large or named like none of ours."""
        return _fitting(given)

    def validate_few_shot(self, given: "UploadedFile[Any]") -> "UploadedFile[Any]":
        """Refuse a file that is too large or named like none of ours."""
        return _fitting(given)


class ImportedBody(Body):
    """The set as a dataset, and the lines that were refused."""

    dataset = DatasetBody()
    refused = serializers.IntegerField()
    refusals = serializers.ListField(
        child=serializers.CharField(), help_text=f"The first {REFUSALS_TOLD}, each with its line."
    )


class SetList(APIView):
    """Which sets are known, and a file of one."""

    permission_classes = (Requires(Action.SEE_MODELS, write=Action.RUN_TRAINING),)
    parser_classes = (MultiPartParser,)

    @extend_schema(responses={200: SetBody(many=True), 403: ErrorBody}, tags=["evaluations"])
    def get(self, request: Request) -> Response:
        """List the public sets that an import can name, with the columns of their rows."""
        return Response(SetBody(SETS.values(), many=True).data)

    @extend_schema(
        request={"multipart/form-data": ImportSetRequest},
        responses={201: ImportedBody, 403: ErrorBody, 422: ErrorBody},
        tags=["evaluations"],
    )
    def post(self, request: Request) -> Response:
        """Take the files of a set as multipart/form-data; the same questions give the same dataset."""
        body = ImportSetRequest(data=request.data)
        body.is_valid(raise_exception=True)
        wanted = body.validated_data
        shown = wanted.get("few_shot")
        with tempfile.TemporaryDirectory() as folder:
            dataset, refused = import_benchmark_file(
                key=wanted["set"],
                path=_kept(wanted["file"], Path(folder) / "questions"),
                examples=_kept(shown, Path(folder) / "examples") if shown else None,
                form=wanted.get("form", ""),
                name=wanted["name"],
                license=wanted["license"],
                by=user_of(request),
            )
        found = {"dataset": dataset, "refused": len(refused), "refusals": refused[:REFUSALS_TOLD]}
        return Response(ImportedBody(found).data, status=status.HTTP_201_CREATED)


def _fitting(given: "UploadedFile[Any]") -> "UploadedFile[Any]":
    if why := wrong_file(str(given.name), given.size or 0):
        raise serializers.ValidationError(why)
    return given


def _kept(given: "UploadedFile[Any]", folder: Path) -> Path:
    return keep_file(folder=folder, name=str(given.name), pieces=given.chunks())
