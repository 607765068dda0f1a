"""What people decide about a model, and how it is taken away: promotion, archive, weights, card, export."""

import itertools
from typing import Any
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, ErrorBody
from labeling.errors import InvalidInput, NotFound
from labeling.rules import audit
from labeling.rules.access import Action
from training.api.models import ModelBody
from training.models import Model
from training.rules import model_keeping
from training.rules.model_cards import card_of_model
from training.rules.model_export import stream_archive

REFUSALS: dict[int, Any] = {403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody}


class PromoteRequest(Body):
    """Why it is the one to start from; may be left out."""

    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


class ArchiveRequest(Body):
    """Why, in 3 to 300 characters."""

    reason = serializers.CharField(max_length=300)


class DeleteWeightsRequest(ArchiveRequest):
    """Why, and the model's name once more: nothing brings the weights back."""

    name = serializers.CharField(max_length=120, help_text="The model's name, as it stands in the registry.")


class Promote(APIView):
    """The model of its kind that forms offer first."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(request=PromoteRequest, responses={200: ModelBody, **REFUSALS}, tags=["models"])
    def post(self, request: Request, code: UUID) -> Response:
        """Promote a model; the one of its kind before it is registered again."""
        reason = _checked(PromoteRequest, request)["reason"]
        model = model_keeping.promote_model(model=find_model(code), reason=reason, by=user_of(request))
        return Response(ModelBody(model).data)


class Archive(APIView):
    """Out of forms and lists."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(request=ArchiveRequest, responses={200: ModelBody, **REFUSALS}, tags=["models"])
    def post(self, request: Request, code: UUID) -> Response:
        """Take a model out of forms and lists; nothing is deleted."""
        reason = _checked(ArchiveRequest, request)["reason"]
        model = model_keeping.archive_model(model=find_model(code), reason=reason, by=user_of(request))
        return Response(ModelBody(model).data)


class Restore(APIView):
    """Back among the registered."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(request=None, responses={200: ModelBody, **REFUSALS}, tags=["models"])
    def post(self, request: Request, code: UUID) -> Response:
        """Take a model out of the archive, or take its promotion back."""
        model = model_keeping.restore_model(model=find_model(code), by=user_of(request))
        return Response(ModelBody(model).data)


class DeleteWeights(APIView):
    """The end of a model's weights."""

    permission_classes = (Requires(Action.RUN_TRAINING),)

    @extend_schema(request=DeleteWeightsRequest, responses={200: ModelBody, **REFUSALS}, tags=["models"])
    def post(self, request: Request, code: UUID) -> Response:
        """Delete a model's weights for ever; its record and lineage stay. Sent again, nothing changes."""
        model = find_model(code)
        wanted = _checked(DeleteWeightsRequest, request)
        if wanted["name"] != model.name:
            text = f'name is "{wanted["name"]}"; type "{model.name}" to delete its weights.'
            raise InvalidInput(text, fields={"name": text})
        model = model_keeping.delete_weights(model=model, reason=wanted["reason"], by=user_of(request))
        return Response(ModelBody(model).data)


class Card(APIView):
    """What a model is, for people."""

    permission_classes = (Requires(Action.SEE_MODELS),)

    @extend_schema(
        responses={(200, "text/markdown"): OpenApiTypes.STR, 403: ErrorBody, 404: ErrorBody}, tags=["models"]
    )
    def get(self, request: Request, code: UUID) -> HttpResponse:
        """Return a model's card as Markdown."""
        return HttpResponse(card_of_model(find_model(code)), content_type="text/markdown; charset=utf-8")


class Export(APIView):
    """A model to take away."""

    permission_classes = (Requires(Action.EXPORT),)

    @extend_schema(
        responses={
            (200, "application/x-tar"): OpenApiTypes.BINARY,
            403: ErrorBody,
            404: ErrorBody,
            409: ErrorBody,
        },
        tags=["models"],
    )
    def get(self, request: Request, code: UUID) -> StreamingHttpResponse:
        """Stream a model as a tar archive: a folder that transformers loads, with its card."""
        model = find_model(code)
        pieces = stream_archive(model)
        try:
            first = next(pieces)
        except FileNotFoundError:
            raise NotFound("The weights of this model are not where they were stored.") from None
        audit.record(actor=user_of(request), action="export_model", obj=model)
        response = StreamingHttpResponse(itertools.chain([first], pieces), content_type="application/x-tar")
        name = content_disposition_header(as_attachment=True, filename=f"{model.name.replace('/', '-')}.tar")
        response["Content-Disposition"] = name or "attachment"
        return response


def find_model(code: UUID) -> Model:
    """Return the model of that code with what bodies say of it."""
    return get_object_or_404(
        Model.objects.select_related("run", "parent", "reward_model", "policy"), code=code
    )


def _checked(kind: type[Body], request: Request) -> dict[str, Any]:
    body = kind(data=request.data)
    body.is_valid(raise_exception=True)
    return dict(body.validated_data)
