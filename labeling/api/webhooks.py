"""Webhooks, for staff."""

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.api.pagination import KeysetPagination
from labeling.api.permissions import Requires
from labeling.api.serializers import Body, Choice, ErrorBody
from labeling.models import Webhook, WebhookDelivery
from labeling.rules import webhooks
from labeling.rules.access import Action

REFUSALS = {403: ErrorBody, 404: ErrorBody, 409: ErrorBody, 422: ErrorBody}
EVENTS = [(event.value, event.label) for event in webhooks.CHOSEN]


class WebhookRequest(Body):
    """Where to, and what about."""

    name = serializers.CharField(max_length=webhooks.MAX_NAME)
    url = serializers.CharField(max_length=500, help_text="https:// and on the public internet.")
    events = serializers.ListField(child=Choice(EVENTS), min_length=1)


class WebhookBody(serializers.ModelSerializer[Webhook]):
    """An address that is told of events."""

    events = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = Webhook
        fields = ("code", "name", "url", "events", "failures", "disabled_at", "disabled_reason", "created_at")


class SecretBody(Body):
    """A secret, shown once."""

    webhook = serializers.UUIDField()
    secret = serializers.CharField(help_text="Checks signatures; it is not shown again.")


class DeliveryBody(serializers.ModelSerializer[WebhookDelivery]):
    """One message and what came of it."""

    class Meta:
        model = WebhookDelivery
        fields = (
            "code", "event", "state", "attempts", "due_at", "attempted_at", "delivered_at", "status",
            "answer", "milliseconds", "created_at",
        )  # fmt: skip


class WebhookList(generics.ListAPIView[Webhook]):
    """Webhooks."""

    permission_classes = (Requires(Action.MANAGE_WEBHOOKS),)
    pagination_class = KeysetPagination
    serializer_class = WebhookBody
    queryset = Webhook.objects.all()

    def get_queryset(self) -> QuerySet[Webhook]:
        """Return those that nobody has deleted."""
        return Webhook.objects.kept()

    @extend_schema(responses={200: WebhookBody(many=True), 403: ErrorBody}, tags=["webhooks"])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List webhooks, newest first."""
        return super().get(request, *args, **kwargs)

    @extend_schema(request=WebhookRequest, responses={201: SecretBody, **REFUSALS}, tags=["webhooks"])
    def post(self, request: Request) -> Response:
        """Make a webhook; the answer holds its secret, once."""
        body = WebhookRequest(data=request.data)
        body.is_valid(raise_exception=True)
        webhook, secret = webhooks.create_webhook(by=user_of(request), **body.validated_data)
        return Response({"webhook": str(webhook.code), "secret": secret}, status=status.HTTP_201_CREATED)


class WebhookDetail(APIView):
    """One webhook."""

    permission_classes = (Requires(Action.MANAGE_WEBHOOKS),)

    @extend_schema(responses={200: WebhookBody, **REFUSALS}, tags=["webhooks"])
    def get(self, request: Request, code: UUID) -> Response:
        """Return a webhook."""
        return Response(WebhookBody(_kept(code)).data)

    @extend_schema(request=WebhookRequest, responses={200: WebhookBody, **REFUSALS}, tags=["webhooks"])
    def put(self, request: Request, code: UUID) -> Response:
        """Change name, address and events."""
        webhook = _kept(code)
        body = WebhookRequest(data=request.data)
        body.is_valid(raise_exception=True)
        webhooks.change_webhook(webhook=webhook, by=user_of(request), **body.validated_data)
        return Response(WebhookBody(webhook).data)

    @extend_schema(responses={204: None, 403: ErrorBody, 404: ErrorBody}, tags=["webhooks"])
    def delete(self, request: Request, code: UUID) -> Response:
        """Take a webhook away."""
        webhooks.delete_webhook(webhook=_kept(code), by=user_of(request))
        return Response(status=204)


class Rotate(APIView):
    """Another secret."""

    permission_classes = (Requires(Action.MANAGE_WEBHOOKS),)

    @extend_schema(
        request=None, responses={200: SecretBody, 403: ErrorBody, 404: ErrorBody}, tags=["webhooks"]
    )
    def post(self, request: Request, code: UUID) -> Response:
        """Give a webhook another secret; for a day messages are signed with both."""
        webhook = _kept(code)
        secret = webhooks.rotate_secret(webhook=webhook, by=user_of(request))
        return Response({"webhook": str(webhook.code), "secret": secret})


class Enable(APIView):
    """A webhook that was switched off."""

    permission_classes = (Requires(Action.MANAGE_WEBHOOKS),)

    @extend_schema(request=None, responses={200: WebhookBody, **REFUSALS}, tags=["webhooks"])
    def post(self, request: Request, code: UUID) -> Response:
        """Switch a webhook on again."""
        webhook = _kept(code)
        webhooks.enable_webhook(webhook=webhook, by=user_of(request))
        return Response(WebhookBody(webhook).data)


class SendTest(APIView):
    """A message that says nothing."""

    permission_classes = (Requires(Action.MANAGE_WEBHOOKS),)

    @extend_schema(request=None, responses={202: DeliveryBody, **REFUSALS}, tags=["webhooks"])
    def post(self, request: Request, code: UUID) -> Response:
        """Send a test; a worker does it."""
        delivery = webhooks.send_test(webhook=_kept(code), by=user_of(request))
        return Response(DeliveryBody(delivery).data, status=status.HTTP_202_ACCEPTED)


class Deliveries(generics.ListAPIView[WebhookDelivery]):
    """The history of a webhook."""

    permission_classes = (Requires(Action.MANAGE_WEBHOOKS),)
    pagination_class = KeysetPagination
    serializer_class = DeliveryBody
    queryset = WebhookDelivery.objects.all()

    def get_queryset(self) -> QuerySet[WebhookDelivery]:
        """Return the messages of the webhook in the address."""
        return WebhookDelivery.objects.filter(webhook=_kept(self.kwargs["code"])).defer("body")

    @extend_schema(
        responses={200: DeliveryBody(many=True), 403: ErrorBody, 404: ErrorBody}, tags=["webhooks"]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List messages, newest first."""
        return super().get(request, *args, **kwargs)


class Resend(APIView):
    """A message sent before."""

    permission_classes = (Requires(Action.MANAGE_WEBHOOKS),)

    @extend_schema(request=None, responses={202: DeliveryBody, **REFUSALS}, tags=["webhooks"])
    def post(self, request: Request, code: UUID) -> Response:
        """Send a message again, with the same number."""
        rows = WebhookDelivery.objects.select_related("webhook").filter(webhook__deleted_at=None)
        delivery = get_object_or_404(rows, code=code)
        webhooks.resend(delivery=delivery, by=user_of(request))
        delivery.refresh_from_db()
        return Response(DeliveryBody(delivery).data, status=status.HTTP_202_ACCEPTED)


def _kept(code: UUID) -> Webhook:
    return get_object_or_404(Webhook.objects.kept(), code=code)
