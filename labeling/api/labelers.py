"""Labelers, for managers: listed, invited, paused, qualified."""

from typing import Any
from uuid import UUID

from django.urls import NoReverseMatch, reverse
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.errors import NotFound
from labeling.models import Cohort, Labeler, Role, TaskKind
from labeling.rules import labelers
from labeling.rules.access import Action, sees_names

REFUSALS = {403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody}


class LabelerBody(serializers.ModelSerializer[Labeler]):
    """A labeler, for staff; name and address only for those who may know who it is."""

    name = serializers.SerializerMethodField(help_text="Null for those who know pseudonyms only.")
    email = serializers.SerializerMethodField(help_text="Null for those who know pseudonyms only.")
    qualifications = serializers.SerializerMethodField()

    class Meta:
        model = Labeler
        fields = (
            "code",
            "pseudonym",
            "name",
            "email",
            "cohort",
            "status",
            "status_reason",
            "vendor",
            "is_simulated",
            "is_external",
            "qualifications",
            "created_at",
        )

    def get_name(self, labeler: Labeler) -> str | None:
        """Return who it is, to those who may know."""
        return labeler.user.name if self._shows_names() else None

    def get_email(self, labeler: Labeler) -> str | None:
        """Return the address, to those who may know."""
        return labeler.user.email if self._shows_names() else None

    def _shows_names(self) -> bool:
        request = self.context.get("request")
        return request is not None and sees_names(request.user)

    def get_qualifications(self, labeler: Labeler) -> list[str]:
        """Name the kinds of task this labeler may take."""
        return sorted(row.kind for row in labeler.qualifications.all() if row.revoked_at is None)


class ReasonRequest(Body):
    """Why."""

    reason = serializers.CharField(max_length=300, allow_blank=True, default="")


class LabelerPauseRequest(Body):
    """Why; the labeler reads it."""

    reason = serializers.CharField(max_length=300)


class InvitationRequest(Body):
    """Whom to invite, and as what."""

    email = serializers.EmailField()
    role = Choice(choices=Role.choices, default=Role.LABELER.value)
    cohort = Choice(choices=Cohort.choices, default=Cohort.TRAIN.value)
    kinds = serializers.ListField(child=Choice(choices=TaskKind.choices), default=list)
    vendor = serializers.CharField(max_length=80, allow_blank=True, default="")


class InvitationBody(Body):
    """An invitation; its secret is shown this once."""

    code = serializers.UUIDField()
    email = serializers.EmailField()
    token = serializers.CharField(help_text="The secret of the link, shown only now.")
    expires_at = serializers.DateTimeField()
    url = serializers.CharField(help_text="The page where it is accepted.", allow_blank=True)


class LabelerView(APIView):
    """What changes a labeler."""

    permission_classes = (Requires(Action.MANAGE_LABELERS),)

    def labeler(self, code: UUID) -> Labeler:
        """Return the labeler of that code."""
        found = Labeler.objects.select_related("user").filter(code=code).first()
        if found is None:
            raise NotFound("There is no such labeler.")
        return found


@extend_schema(responses={200: LabelerBody(many=True), 403: ErrorBody}, tags=["labelers"])
class LabelerList(generics.ListAPIView[Labeler]):
    """List labelers, newest first."""

    permission_classes = (Requires(Action.SEE_LABELERS),)
    pagination_class = KeysetPagination
    serializer_class = LabelerBody
    queryset = Labeler.objects.select_related("user").prefetch_related("qualifications")


@extend_schema(responses={200: LabelerBody, 403: ErrorBody, 404: ErrorBody}, tags=["labelers"])
class LabelerDetail(generics.RetrieveAPIView[Labeler]):
    """Return one labeler."""

    permission_classes = (Requires(Action.SEE_LABELERS),)
    serializer_class = LabelerBody
    queryset = Labeler.objects.select_related("user").prefetch_related("qualifications")
    lookup_field = "code"


class Pause(LabelerView):
    """No new work."""

    @extend_schema(request=LabelerPauseRequest, responses={200: LabelerBody, **REFUSALS}, tags=["labelers"])
    def post(self, request: Request, code: UUID) -> Response:
        """Pause a labeler: no new tasks, what they hold they may finish."""
        body = LabelerPauseRequest(data=request.data)
        body.is_valid(raise_exception=True)
        labeler = labelers.pause_labeler(
            labeler=self.labeler(code), by=user_of(request), **body.validated_data
        )
        return Response(LabelerBody(labeler, context={"request": request}).data)


class Resume(LabelerView):
    """Work again."""

    @extend_schema(request=ReasonRequest, responses={200: LabelerBody, **REFUSALS}, tags=["labelers"])
    def post(self, request: Request, code: UUID) -> Response:
        """Let a paused labeler work again."""
        body = ReasonRequest(data=request.data)
        body.is_valid(raise_exception=True)
        labeler = labelers.resume_labeler(
            labeler=self.labeler(code), by=user_of(request), **body.validated_data
        )
        return Response(LabelerBody(labeler, context={"request": request}).data)


class Qualification(LabelerView):
    """What a labeler may take."""

    @extend_schema(request=None, responses={200: LabelerBody, **REFUSALS}, tags=["labelers"])
    def put(self, request: Request, code: UUID, kind: str) -> Response:
        """Let a labeler take tasks of a kind."""
        labeler = self.labeler(code)
        labelers.grant_qualification(labeler=labeler, kind=kind, by=user_of(request))
        return Response(LabelerBody(labeler, context={"request": request}).data)

    @extend_schema(responses={200: LabelerBody, **REFUSALS}, tags=["labelers"])
    def delete(self, request: Request, code: UUID, kind: str) -> Response:
        """Take the permission back."""
        labeler = self.labeler(code)
        labelers.revoke_qualification(labeler=labeler, kind=kind, by=user_of(request))
        return Response(LabelerBody(labeler, context={"request": request}).data)


class Invitations(APIView):
    """New people."""

    permission_classes = (Requires(Action.MANAGE_LABELERS),)

    @extend_schema(request=InvitationRequest, responses={201: InvitationBody, **REFUSALS}, tags=["labelers"])
    def post(self, request: Request) -> Response:
        """Invite somebody; hand the link to them, it works once."""
        body = InvitationRequest(data=request.data)
        body.is_valid(raise_exception=True)
        invitation, token = labelers.invite(by=user_of(request), **body.validated_data)
        answer: dict[str, Any] = {
            "code": str(invitation.code),
            "email": invitation.email,
            "token": token,
            "expires_at": invitation.expires_at,
            "url": _link(request, token),
        }
        return Response(answer, status=status.HTTP_201_CREATED)


def _link(request: Request, token: str) -> str:
    try:
        return request.build_absolute_uri(reverse("invitation-accept", kwargs={"token": token}))
    except NoReverseMatch:
        return ""
