"""The snippet of docs/webhooks.md checks what really arrives, and its table names every event."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from labeling.models import User, Webhook, WebhookDelivery, WebhookEvent
from labeling.rules import webhooks
from labeling.rules.webhook_delivery import PAUSES, deliver_due
from labeling.rules.webhook_signatures import secret_of
from tests.labeling.receiver import receiver

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")


def snippet() -> Callable[..., bool]:
    """Return the function that the page tells people to copy."""
    found: dict[str, Any] = {}
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code is not None
    exec(compile(code[1], "docs/webhooks.md", "exec"), found)
    checked: Callable[..., bool] = found["is_from_instructloop"]
    return checked


@pytest.mark.django_db
def test_the_snippet_believes_what_was_sent_and_nothing_else(dana: User, settings: Any) -> None:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    check = snippet()
    with receiver() as heard:
        made = webhooks.create_webhook(name="A", url=heard.url, events=["batch.closed"], by=dana)
        hook, secret = made
        webhooks.send_test(webhook=hook, by=dana)
        deliver_due()
        headers, body = heard.came[0]
    header = headers["InstructLoop-Signature"]
    assert secret == secret_of(Webhook.objects.get())
    assert check(secret, header, body)
    assert not check("whsec_guess", header, body)
    assert not check(secret, header, body + b" ")
    assert not check(secret, header, body, now=timezone.now().timestamp() + 3600)
    assert WebhookDelivery.objects.get().state == "delivered"


def test_the_page_names_every_event_and_how_often_is_tried() -> None:
    for event in WebhookEvent:
        assert f"`{event.value}`" in PAGE, event
    hours = [pause.total_seconds() / 60 for pause in PAUSES]
    assert hours == [1, 5, 30, 120, 360, 720, 1440]
