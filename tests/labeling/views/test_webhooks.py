"""Pages and endpoints of webhooks: the secret shown once, the history, the buttons."""

from typing import Any

import pytest
from django.urls import reverse
from rest_framework.test import APIClient

from labeling.models import User, Webhook
from labeling.rules.webhook_delivery import deliver_due
from labeling.rules.webhook_signatures import secret_of
from tests.labeling.receiver import Receiver, receiver
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard(settings: Any) -> Any:
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiver() as started:
        yield started


def test_a_webhook_is_made_tried_and_its_history_read(visit: Visit, dana: User, heard: Receiver) -> None:
    client = visit(dana)
    assert "No webhooks yet" in client.get(reverse("webhook-list")).content.decode()
    form = {"name": "Build server", "url": heard.url, "events": ["run.finished", "batch.closed"]}
    made = client.post(reverse("webhook-create"), form)
    webhook = Webhook.objects.get()
    assert secret_of(webhook) in made.content.decode()
    page = reverse("webhook-detail", args=[webhook.code])
    assert secret_of(webhook) not in client.get(page).content.decode()
    client.post(reverse("webhook-test", args=[webhook.code]))
    deliver_due()
    assert "Delivered" in client.get(page).content.decode()
    message = reverse("webhook-delivery", args=[webhook.deliveries.get().code])
    assert "A test: nothing has happened." in client.get(message).content.decode()
    client.post(message)
    deliver_due()
    assert len(heard.came) == 2


def test_a_private_address_is_refused_at_its_field(visit: Visit, dana: User) -> None:
    form = {"name": "inside", "url": "https://169.254.169.254/", "events": ["run.finished"]}
    answer = visit(dana).post(reverse("webhook-create"), form)
    assert answer.status_code == 422
    assert "not on the public internet" in answer.content.decode()
    assert not Webhook.objects.exists()


def test_it_is_switched_off_and_on_changed_and_deleted(visit: Visit, mia: User, heard: Receiver) -> None:
    client = visit(mia)
    client.post(reverse("webhook-create"), {"name": "A", "url": heard.url, "events": ["batch.closed"]})
    webhook = Webhook.objects.get()
    old = secret_of(webhook)
    client.post(reverse("webhook-switch", args=[webhook.code]))
    assert "Off since" in client.get(reverse("webhook-detail", args=[webhook.code])).content.decode()
    client.post(reverse("webhook-switch", args=[webhook.code]))
    changed = {"name": "B", "url": heard.url, "events": ["run.failed"]}
    client.post(reverse("webhook-detail", args=[webhook.code]), changed)
    shown = client.post(reverse("webhook-rotate", args=[webhook.code])).content.decode()
    webhook.refresh_from_db()
    assert (webhook.name, webhook.events, webhook.disabled_at) == ("B", ["run.failed"], None)
    assert secret_of(webhook) in shown
    assert old not in shown
    client.post(reverse("webhook-delete", args=[webhook.code]))
    assert client.get(reverse("webhook-detail", args=[webhook.code])).status_code == 404


def test_programs_do_the_same(dana: User, heard: Receiver) -> None:
    client = APIClient()
    client.force_authenticate(dana)
    wanted = {"name": "A", "url": heard.url, "events": ["batch.closed"]}
    made = client.post("/api/v1/webhooks/", wanted, format="json")
    assert made.status_code == 201
    code = made.json()["webhook"]
    assert made.json()["secret"] == secret_of(Webhook.objects.get())
    assert "secret" not in str(client.get(f"/api/v1/webhooks/{code}/").json())
    assert client.post(f"/api/v1/webhooks/{code}/test/").status_code == 202
    deliver_due()
    message = client.get(f"/api/v1/webhooks/{code}/messages/").json()["results"][0]
    assert (message["state"], message["status"]) == ("delivered", 200)
    assert client.post(f"/api/v1/webhooks/messages/{message['code']}/resend/").status_code == 202
    refused = client.post("/api/v1/webhooks/", {**wanted, "url": "https://10.0.0.1/"}, format="json")
    assert (refused.status_code, "url" in refused.json()["fields"]) == (422, True)
    wrong = client.post("/api/v1/webhooks/", {**wanted, "events": ["x"]}, format="json")
    assert wrong.status_code == 422
    assert client.delete(f"/api/v1/webhooks/{code}/").status_code == 204
