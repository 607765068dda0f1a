"""Webhooks: listed, made, changed, tried out; and the history of each."""

from uuid import UUID

from django.contrib import messages
from django.db.models import Count, Max, Q
from django.http import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from labeling.errors import LabelingError
from labeling.forms.webhooks import WebhookForm
from labeling.models import Webhook, WebhookDelivery
from labeling.rules import webhooks
from labeling.rules.access import Action
from labeling.rules.webhook_delivery import MOST_FAILURES
from labeling.views.access import PageRequest, require
from labeling.views.lists import one_page
from labeling.views.refusals import refusals_said


@require(Action.MANAGE_WEBHOOKS)
def webhook_list(request: PageRequest) -> HttpResponseBase:
    """List webhooks with how they fare."""
    rows = Webhook.objects.kept().annotate(
        waiting=Count("deliveries", filter=Q(deliveries__state="waiting")),
        last=Max("deliveries__delivered_at"),
    )
    return render(request, "webhooks/list.html", {"webhooks": rows})


@never_cache
@require(Action.MANAGE_WEBHOOKS)
def webhook_create(request: PageRequest) -> HttpResponseBase:
    """Make a webhook; the answer shows its secret, once."""
    form = WebhookForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        try:
            webhook, secret = webhooks.create_webhook(by=request.user, **form.cleaned_data)
        except LabelingError as error:
            _add_error(form, error)
        else:
            return render(request, "webhooks/secret.html", {"webhook": webhook, "secret": secret})
    return render(request, "webhooks/form.html", {"form": form}, status=422 if form.is_bound else 200)


@require(Action.MANAGE_WEBHOOKS)
def webhook_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a webhook, change it, and show every message to it."""
    webhook = kept_webhook(code)
    form = WebhookForm(request.POST) if request.method == "POST" else WebhookForm.of(webhook)
    if form.is_bound and form.is_valid():
        try:
            webhooks.change_webhook(webhook=webhook, by=request.user, **form.cleaned_data)
        except LabelingError as error:
            _add_error(form, error)
        else:
            messages.success(request, "The webhook is changed.")
            return redirect("webhook-detail", code)
    context = {
        "webhook": webhook,
        "form": form,
        "page": one_page(request, webhook.deliveries.defer("body")),
        "most_failures": MOST_FAILURES,
    }
    return render(request, "webhooks/detail.html", context, status=422 if form.is_bound else 200)


@never_cache
@require_POST
@require(Action.MANAGE_WEBHOOKS)
def webhook_rotate(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Give a webhook another secret; the answer shows it, once."""
    webhook = kept_webhook(code)
    secret = webhooks.rotate_secret(webhook=webhook, by=request.user)
    return render(request, "webhooks/secret.html", {"webhook": webhook, "secret": secret, "is_new": True})


@require_POST
@require(Action.MANAGE_WEBHOOKS)
def webhook_switch(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Switch a webhook off or on again."""
    webhook = kept_webhook(code)
    with refusals_said(request):
        if webhook.disabled_at is None:
            webhooks.disable_webhook(webhook=webhook, by=request.user, reason="Switched off by hand.")
        else:
            webhooks.enable_webhook(webhook=webhook, by=request.user)
        off = webhook.disabled_at is not None
        messages.success(
            request, "It is off; what waits is kept." if off else "It is on; what waits goes out."
        )
    return redirect("webhook-detail", code)


@require_POST
@require(Action.MANAGE_WEBHOOKS)
def webhook_delete(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Take a webhook away."""
    webhook = kept_webhook(code)
    webhooks.delete_webhook(webhook=webhook, by=request.user)
    messages.success(request, f"The webhook “{webhook}” is deleted.")
    return redirect("webhook-list")


@require_POST
@require(Action.MANAGE_WEBHOOKS)
def webhook_test(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Send a message that says nothing."""
    with refusals_said(request):
        webhooks.send_test(webhook=kept_webhook(code), by=request.user)
        messages.success(request, "A test is on its way; what came back stands in the history in a moment.")
    return redirect("webhook-detail", code)


@require(Action.MANAGE_WEBHOOKS)
def delivery_detail(request: PageRequest, code: UUID) -> HttpResponseBase:
    """Show a message as it was sent, and the last answer; a POST sends it again."""
    rows = WebhookDelivery.objects.select_related("webhook").filter(webhook__deleted_at=None)
    delivery = get_object_or_404(rows, code=code)
    if request.method == "POST":
        with refusals_said(request):
            webhooks.resend(delivery=delivery, by=request.user)
            messages.success(request, "It is sent again, with the same number.")
        return redirect("webhook-delivery", code)
    return render(request, "webhooks/delivery.html", {"delivery": delivery, "webhook": delivery.webhook})


def kept_webhook(code: UUID) -> Webhook:
    """Return a webhook that nobody has deleted."""
    return get_object_or_404(Webhook.objects.kept(), code=code)


def _add_error(form: WebhookForm, error: LabelingError) -> None:
    field = next((name for name in error.fields if name in form.fields), None)
    form.add_error(field, error.message)
