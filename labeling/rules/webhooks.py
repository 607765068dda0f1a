"""Webhooks: made, changed, switched on and off; and the messages that events leave for them.

`emit` only writes rows, inside whatever transaction the event belongs to: what is rolled back is never told,
and what has happened is told even if the process ends right after. A worker sends them
(`webhook_delivery`). Addresses are looked up before a transaction begins: a slow name service may hold no
lock.
"""

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import User, Webhook, WebhookDelivery, WebhookEvent
from labeling.models.webhooks import new_salt
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.webhook_addresses import check_url
from labeling.rules.webhook_signatures import secret_of

MAX_WEBHOOKS = 50
MAX_NAME = 80
State = WebhookDelivery.State
CHOSEN = [event for event in WebhookEvent if event != WebhookEvent.PING]
"""What somebody may ask to be told; a test is sent by hand."""


def create_webhook(*, name: str, url: str, events: Collection[str], by: User) -> tuple[Webhook, str]:
    """Make a webhook. Returns it and its secret, which is shown once.

    Raises InvalidInput where the address may not be called or no event is named.
    """
    ensure(by, Action.MANAGE_WEBHOOKS)
    values = _checked(name, url, events)
    with transaction.atomic():
        if Webhook.objects.kept().count() >= MAX_WEBHOOKS:
            raise Conflict(f"There are {MAX_WEBHOOKS} webhooks already; delete one first.")
        webhook = Webhook.objects.create(**values, created_by=by)
        audit.record(actor=by, action="create_webhook", obj=webhook, url=url, events=webhook.events)
    return webhook, secret_of(webhook)


def change_webhook(*, webhook: Webhook, name: str, url: str, events: Collection[str], by: User) -> None:
    """Change name, address and events. Raises what `create_webhook` raises."""
    ensure(by, Action.MANAGE_WEBHOOKS)
    values = _checked(name, url, events)
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk).update(**values)
        webhook.refresh_from_db()
        audit.record(actor=by, action="change_webhook", obj=webhook, url=url, events=webhook.events)


@transaction.atomic
def rotate_secret(*, webhook: Webhook, by: User) -> str:
    """Give a webhook another secret; for a day messages carry signatures by both. Returns the new one."""
    ensure(by, Action.MANAGE_WEBHOOKS)
    webhook.previous_salt, webhook.salt, webhook.rotated_at = webhook.salt, new_salt(), timezone.now()
    webhook.save(update_fields=("salt", "previous_salt", "rotated_at"))
    audit.record(actor=by, action="rotate_webhook_secret", obj=webhook)
    return secret_of(webhook)


@transaction.atomic
def disable_webhook(*, webhook: Webhook, by: User | None, reason: str = "") -> None:
    """Send nothing more until somebody switches it on; what waits is kept. Twice is no error."""
    if by is not None:
        ensure(by, Action.MANAGE_WEBHOOKS)
    rows = Webhook.objects.filter(pk=webhook.pk, disabled_at=None)
    if rows.update(disabled_at=timezone.now(), disabled_reason=reason[:300]):
        audit.record(actor=by, action="disable_webhook", obj=webhook, reason=reason)
    webhook.refresh_from_db()


def enable_webhook(*, webhook: Webhook, by: User) -> None:
    """Send again, beginning with what waits. Raises InvalidInput where the address may not be called."""
    ensure(by, Action.MANAGE_WEBHOOKS)
    check_url(webhook.url)
    with transaction.atomic():
        Webhook.objects.filter(pk=webhook.pk).update(disabled_at=None, disabled_reason="", failures=0)
        webhook.refresh_from_db()
        audit.record(actor=by, action="enable_webhook", obj=webhook)


@transaction.atomic
def delete_webhook(*, webhook: Webhook, by: User) -> None:
    """Take a webhook away; its history goes with its page, the audit stays."""
    ensure(by, Action.MANAGE_WEBHOOKS)
    Webhook.objects.filter(pk=webhook.pk).update(deleted_at=timezone.now())
    webhook.deliveries.filter(state=State.WAITING).update(
        state=State.FAILED, answer="The webhook was deleted."
    )
    audit.record(actor=by, action="delete_webhook", obj=webhook, url=webhook.url)


@transaction.atomic
def send_test(*, webhook: Webhook, by: User) -> WebhookDelivery:
    """Leave a message that says nothing, to see whether it arrives. Raises Conflict where it is off."""
    ensure(by, Action.MANAGE_WEBHOOKS)
    if webhook.disabled_at is not None:
        raise Conflict("The webhook is switched off; switch it on first.")
    data = {"message": "A test: nothing has happened.", "webhook": str(webhook.code)}
    delivery = _message(webhook, WebhookEvent.PING, str(uuid4()), data, timezone.now())
    delivery.save()
    audit.record(actor=by, action="test_webhook", obj=webhook)
    return delivery


@transaction.atomic
def resend(*, delivery: WebhookDelivery, by: User) -> None:
    """Send a message again with the same number, so that the receiver knows it. Raises Conflict."""
    ensure(by, Action.MANAGE_WEBHOOKS)
    rows = WebhookDelivery.objects.filter(pk=delivery.pk).exclude(state=State.WAITING)
    if not rows.update(state=State.WAITING, due_at=timezone.now(), attempts=0):
        raise Conflict("This message waits to be sent already.")
    audit.record(actor=by, action="resend_webhook", obj=delivery.webhook, delivery=str(delivery.code))


def emit(
    event: WebhookEvent, *, subject: str, data: dict[str, Any], at: datetime | None = None
) -> list[WebhookDelivery]:
    """Leave a message for every webhook that wants to know of an event. Returns the messages.

    `subject` names the event: of the same event about the same subject a webhook is told once. `at` is when
    it happened: webhooks made later are not told.
    """
    happened = at or timezone.now()
    rows = [
        _message(webhook, event, subject, data, happened)
        for webhook in listeners(event, subject=subject, at=at)
    ]
    return WebhookDelivery.objects.bulk_create(rows, ignore_conflicts=True) if rows else []


def listeners(event: WebhookEvent, *, subject: str, at: datetime | None = None) -> list[Webhook]:
    """Return the webhooks that want to know of an event and have not been told: looking it up costs less."""
    wanted = [
        webhook
        for webhook in Webhook.objects.active()
        if event in webhook.events and (at is None or webhook.created_at <= at)
    ]
    if not wanted:
        return []
    told = WebhookDelivery.objects.filter(event=event, subject=subject, webhook__in=wanted)
    keys = set(told.values_list("webhook_id", flat=True))
    return [webhook for webhook in wanted if webhook.pk not in keys]


def is_wanted(*events: WebhookEvent) -> bool:
    """Return whether any webhook asks for one of these: whoever must look for an event asks first."""
    return any(set(events) & set(webhook.events) for webhook in Webhook.objects.active())


def _message(
    webhook: Webhook, event: WebhookEvent, subject: str, data: dict[str, Any], at: datetime
) -> WebhookDelivery:
    code = uuid4()
    body = {"id": str(code), "event": event.value, "happened_at": at.isoformat(), "data": data}
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return WebhookDelivery(code=code, webhook=webhook, event=event, subject=subject, body=text)


def _checked(name: str, url: str, events: Collection[str]) -> dict[str, Any]:
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidInput(f"A name has 1 to {MAX_NAME} characters.", fields={"name": "length"})
    unknown = set(events) - {event.value for event in CHOSEN}
    if unknown or not events:
        allowed = ", ".join(event.value for event in CHOSEN)
        found = f"{', '.join(sorted(unknown))} is no event" if unknown else "No event is named"
        raise InvalidInput(f"{found}; known are {allowed}.", fields={"events": "unknown or none"})
    check_url(url)
    return {"name": name, "url": url, "events": [event.value for event in CHOSEN if event in events]}
