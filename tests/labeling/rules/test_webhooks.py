"""Webhooks against a real receiver: signed, tried again, switched off; and never to private places."""

import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import AuditEvent, Labeler, User, Webhook, WebhookDelivery, WebhookEvent
from labeling.rules import batches, webhooks
from labeling.rules.webhook_addresses import RefusedAddress, find_target
from labeling.rules.webhook_delivery import MOST_FAILURES, PAUSES, deliver_due
from labeling.rules.webhook_signatures import secret_of
from tests.factories import writing_batch
from tests.labeling.receiver import Receiver, receiver

pytestmark = pytest.mark.django_db

CLOSED = WebhookEvent.BATCH_CLOSED


@pytest.fixture
def heard(settings: Any) -> Iterator[Receiver]:
    """A receiver in a network that the operator has named."""
    settings.WEBHOOK_ALLOWED_NETWORKS = ["127.0.0.0/8"]
    with receiver() as started:
        yield started


@pytest.fixture
def hook(heard: Receiver, dana: User) -> Webhook:
    return webhooks.create_webhook(name="CI", url=heard.url, events=[CLOSED.value], by=dana)[0]


def later(minutes: float) -> Any:
    """Return a clock that is ahead by so many minutes."""
    return lambda: timezone.now() + timedelta(minutes=minutes)


def proofs(secret: str, headers: dict[str, str], body: bytes) -> tuple[str, list[str]]:
    """Return the signature as a receiver computes it, and those that came."""
    parts = [part.split("=", 1) for part in headers["InstructLoop-Signature"].split(",")]
    at = next(value for name, value in parts if name == "t")
    expected = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return expected, [value for name, value in parts if name == "v1"]


def test_a_closed_batch_is_told_once_signed_and_with_a_number(heard: Receiver, hook: Webhook) -> None:
    batch = batches.close_batch(batch=writing_batch())
    webhooks.emit(CLOSED, subject=f"{batch.code}:{batch.closed_at}", data={})
    assert deliver_due() == 1
    headers, body = heard.came[0]
    message = json.loads(body)
    assert (message["event"], message["data"]["batch"]) == ("batch.closed", str(batch.code))
    assert message["id"] == headers["InstructLoop-Delivery"] == str(hook.deliveries.get().code)
    expected, came = proofs(secret_of(hook), headers, body)
    assert came == [expected]
    delivery = hook.deliveries.get()
    assert (delivery.state, delivery.status, delivery.answer) == ("delivered", 200, "heard")
    assert deliver_due() == 0


def test_what_nobody_asked_for_is_not_sent(hook: Webhook) -> None:
    webhooks.emit(WebhookEvent.RUN_FINISHED, subject="a run", data={})
    assert not hook.deliveries.exists()
    assert not webhooks.is_wanted(WebhookEvent.RUN_FINISHED)


def test_a_refusal_is_tried_again_after_growing_pauses_with_the_same_number(
    heard: Receiver, hook: Webhook
) -> None:
    heard.status = 503
    webhooks.emit(CLOSED, subject="a", data={})
    deliver_due()
    delivery = hook.deliveries.get()
    assert (delivery.state, delivery.attempts, delivery.status) == ("waiting", 1, 503)
    assert deliver_due() == 0
    heard.status = 204
    assert deliver_due(later(1.1)) == 1
    numbers = {headers["InstructLoop-Delivery"] for headers, _ in heard.came}
    assert (len(heard.came), len(numbers)) == (2, 1)
    hook.refresh_from_db()
    assert hook.failures == 0


def test_after_the_last_pause_it_is_given_up_and_may_be_sent_again(
    heard: Receiver, hook: Webhook, dana: User
) -> None:
    heard.status = 500
    webhooks.emit(CLOSED, subject="a", data={})
    WebhookDelivery.objects.update(attempts=len(PAUSES))
    deliver_due()
    delivery = hook.deliveries.get()
    assert delivery.state == "failed"
    heard.status = 200
    webhooks.resend(delivery=delivery, by=dana)
    assert deliver_due() == 1
    assert hook.deliveries.get().state == "delivered"
    assert heard.came[0][1] == heard.came[1][1]


def test_a_webhook_that_only_fails_is_switched_off_and_its_messages_wait(
    heard: Receiver, hook: Webhook, dana: User
) -> None:
    heard.status = 500
    Webhook.objects.update(failures=MOST_FAILURES - 1)
    webhooks.emit(CLOSED, subject="a", data={})
    deliver_due()
    hook.refresh_from_db()
    assert hook.disabled_at is not None
    assert "30 attempts failed in a row" in hook.disabled_reason
    assert AuditEvent.objects.filter(action="disable_webhook", actor=None).exists()
    assert deliver_due(later(10)) == 0
    heard.status = 200
    webhooks.enable_webhook(webhook=hook, by=dana)
    assert deliver_due(later(10)) == 1


def test_a_message_whose_worker_died_is_sent_again_after_its_lease(heard: Receiver, hook: Webhook) -> None:
    webhooks.emit(CLOSED, subject="a", data={})
    WebhookDelivery.objects.update(attempts=1, due_at=timezone.now() + timedelta(minutes=5))
    assert deliver_due() == 0
    assert deliver_due(later(6)) == 1


def test_during_a_change_of_secret_both_sign(heard: Receiver, hook: Webhook, dana: User) -> None:
    old = secret_of(hook)
    new = webhooks.rotate_secret(webhook=hook, by=dana)
    assert old != new
    webhooks.send_test(webhook=hook, by=dana)
    deliver_due()
    headers, body = heard.came[0]
    for secret in (old, new):
        expected, came = proofs(secret, headers, body)
        assert expected in came
    Webhook.objects.update(rotated_at=timezone.now() - timedelta(days=2))
    webhooks.send_test(webhook=hook, by=dana)
    deliver_due()
    expected, came = proofs(new, *heard.came[1])
    assert came == [expected]


def test_redirects_are_not_followed(heard: Receiver, hook: Webhook) -> None:
    heard.status, heard.location = 302, heard.url
    webhooks.emit(CLOSED, subject="a", data={})
    deliver_due()
    assert len(heard.came) == 1
    assert hook.deliveries.get().status == 302


def test_what_is_rolled_back_is_never_told(hook: Webhook) -> None:
    batch = batches.close_batch(batch=writing_batch())
    hook.deliveries.all().delete()
    with pytest.raises(Conflict):
        batches.close_batch(batch=batch)
    assert not hook.deliveries.exists()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://localhost/",
        "https://10.1.2.3/",
        "https://192.168.0.1/",
        "https://172.16.5.5/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fe80::1]/",
        "https://[fd00::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://192.0.0.170/",
        "https://192.88.99.1/",
        "https://[fec0::1]/",
        "https://[3fff::1]/",
        "https://[5f00::1]/",
    ],
)
def test_private_places_are_refused(url: str, dana: User) -> None:
    with pytest.raises(InvalidInput):
        webhooks.create_webhook(name="inside", url=url, events=[CLOSED.value], by=dana)


@pytest.mark.parametrize(
    "url",
    [
        "http://8.8.8.8/",
        "ftp://8.8.8.8/",
        "https://me:secret@8.8.8.8/",
        "https:///",
        "8.8.8.8",
        "https://8.8.8.8:x/",
    ],
)
def test_other_schemes_and_passwords_are_refused(url: str, dana: User) -> None:
    with pytest.raises(InvalidInput):
        webhooks.create_webhook(name="odd", url=url, events=[CLOSED.value], by=dana)


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Let the name service give these addresses of a name, one list after the other."""
    remaining, real = list(answers), socket.getaddrinfo

    def resolve(host: str, port: int, *given: Any, **options: Any) -> list[Any]:
        if host[0].isdigit():
            return real(host, port, *given, **options)
        found = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_a_name_with_one_private_address_among_public_ones_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    resolving(monkeypatch, ["93.184.216.34", "10.0.0.5"])
    with pytest.raises(RefusedAddress, match=r"10\.0\.0\.5"):
        find_target("https://example.org/")


def test_a_name_that_turns_private_later_is_not_called(
    monkeypatch: pytest.MonkeyPatch, dana: User, settings: Any
) -> None:
    resolving(monkeypatch, ["93.184.216.34"], ["127.0.0.1"])
    hook, _ = webhooks.create_webhook(
        name="rebound", url="https://example.org/", events=[CLOSED.value], by=dana
    )
    monkeypatch.setattr(socket, "create_connection", lambda *given, **options: pytest.fail("it was called"))
    webhooks.emit(CLOSED, subject="a", data={})
    deliver_due()
    assert "127.0.0.1" in hook.deliveries.get().answer


def test_the_connection_goes_to_the_address_that_was_looked_at(
    monkeypatch: pytest.MonkeyPatch, heard: Receiver, hook: Webhook
) -> None:
    """The name is resolved once per attempt: a second answer would not be asked for."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host: str, *given: Any, **options: Any) -> Any:
        asked.append(host)
        return real("127.0.0.1" if host == "hooks.example" else host, *given, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    Webhook.objects.update(url=heard.url.replace("127.0.0.1", "hooks.example"))
    webhooks.emit(CLOSED, subject="a", data={})
    deliver_due()
    assert asked.count("hooks.example") == 1
    assert heard.came[0][0]["Host"].startswith("hooks.example:")


def test_a_receiver_whose_first_address_refuses_is_reached_at_the_next(
    monkeypatch: pytest.MonkeyPatch, heard: Receiver, hook: Webhook
) -> None:
    url = heard.url.replace("127.0.0.1", "hooks.example")
    Webhook.objects.update(url=url)
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.1"])
    webhooks.emit(CLOSED, subject="a", data={})
    deliver_due()
    assert (hook.deliveries.get().state, len(heard.came)) == ("delivered", 1)
    resolving(monkeypatch, ["127.0.0.2", "127.0.0.3"])
    webhooks.emit(CLOSED, subject="b", data={})
    deliver_due()
    answer = hook.deliveries.get(subject="b").answer
    assert "127.0.0.2: " in answer
    assert "127.0.0.3: " in answer


@pytest.mark.django_db(transaction=True)
def test_a_slow_name_service_holds_no_lock(
    monkeypatch: pytest.MonkeyPatch, heard: Receiver, dana: User
) -> None:
    real, seen = socket.getaddrinfo, []

    def resolve(*given: Any, **options: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return real(*given, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    asked: dict[str, Any] = {"name": "CI", "url": heard.url, "events": [CLOSED.value], "by": dana}
    hook, _ = webhooks.create_webhook(**asked)
    webhooks.change_webhook(webhook=hook, **asked)
    webhooks.disable_webhook(webhook=hook, by=dana)
    webhooks.enable_webhook(webhook=hook, by=dana)
    assert seen == [False] * 3


def test_events_must_be_known_and_labelers_may_not(heard: Receiver, dana: User, alice: Labeler) -> None:
    for events in ([], ["run.exploded"], ["ping"]):
        with pytest.raises(InvalidInput):
            webhooks.create_webhook(name="odd", url=heard.url, events=events, by=dana)
    with pytest.raises(NotPermitted):
        webhooks.create_webhook(name="mine", url=heard.url, events=[CLOSED.value], by=alice.user)


def test_the_database_holds_no_secret(hook: Webhook) -> None:
    secret = secret_of(hook)
    assert secret not in str(Webhook.objects.values().get())
    webhooks.emit(CLOSED, subject="a", data={})
    assert secret not in str(WebhookDelivery.objects.values().get())
