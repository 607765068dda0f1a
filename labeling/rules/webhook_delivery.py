"""Sending messages to webhooks, on a worker: at least once, with growing pauses, never to private places."""

import http.client
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from labeling.models import Webhook, WebhookDelivery
from labeling.rules.webhook_addresses import RefusedAddress, Target, find_target
from labeling.rules.webhook_signatures import HEADER, signature_header
from labeling.rules.webhooks import disable_webhook

log = logging.getLogger(__name__)
State = WebhookDelivery.State
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440))
"""How long after each failed attempt the next one comes; after the last of them it is given up."""
MOST_FAILURES = 30
"""So many failed attempts in a row, over all messages, and the webhook is switched off."""
LEASE = timedelta(minutes=5)
CONNECT_SECONDS, TOTAL_SECONDS = 5.0, 15.0
SENDING_SECONDS = 40.0
ANSWER_BYTES = 400


@dataclass(frozen=True)
class Answer:
    """What came back: a status, or none and why."""

    status: int | None
    text: str
    milliseconds: int

    @property
    def is_taken(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def deliver_due(now: Callable[[], datetime] = timezone.now) -> int:
    """Send what is due, oldest first, for at most some seconds. Returns how many attempts were made."""
    end, done = time.monotonic() + SENDING_SECONDS, 0
    while time.monotonic() < end:
        due = WebhookDelivery.objects.filter(state=State.WAITING, due_at__lte=now())
        active = due.filter(webhook__disabled_at=None, webhook__deleted_at=None)
        delivery = active.select_related("webhook").order_by("due_at", "pk").first()
        if delivery is None:
            break
        if _claim(delivery, now()):
            record_answer(delivery, post(delivery, now()), now())
            done += 1
    return done


def post(delivery: WebhookDelivery, at: datetime) -> Answer:
    """Post a message to its webhook. Redirects are not followed: an answer of 300 and above is a failure."""
    started = time.monotonic()
    body = delivery.body.encode()
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "InstructLoop-Webhook/1",
        "InstructLoop-Event": delivery.event,
        "InstructLoop-Delivery": str(delivery.code),
        HEADER: signature_header(delivery.webhook, at, body),
    }
    status: int | None = None
    try:
        target = find_target(delivery.webhook.url)
        status, text = _send(target, body, headers)
    except RefusedAddress as error:
        text = str(error)
    except (OSError, http.client.HTTPException, ValueError) as error:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return Answer(status, text.replace("\x00", "")[:ANSWER_BYTES], round(1000 * (time.monotonic() - started)))


def record_answer(delivery: WebhookDelivery, answer: Answer, at: datetime) -> None:
    """Write down what came of an attempt: done, again later, or given up."""
    attempts = delivery.attempts
    values = {"status": answer.status, "answer": answer.text, "milliseconds": answer.milliseconds}
    rows = WebhookDelivery.objects.filter(pk=delivery.pk, state=State.WAITING, attempts=attempts)
    if answer.is_taken:
        rows.update(state=State.DELIVERED, delivered_at=at, **values)
        Webhook.objects.filter(pk=delivery.webhook_id).update(failures=0)
        return
    if attempts > len(PAUSES):
        rows.update(state=State.FAILED, **values)
    else:
        rows.update(due_at=at + PAUSES[attempts - 1], **values)
    Webhook.objects.filter(pk=delivery.webhook_id).update(failures=F("failures") + 1)
    webhook = Webhook.objects.get(pk=delivery.webhook_id)
    log.warning("Webhook %s: attempt %d of %s failed: %s", webhook.code, attempts, delivery.code, answer.text)
    if webhook.failures >= MOST_FAILURES and webhook.disabled_at is None:
        last = f" The last answer: {answer.status or answer.text}."
        disable_webhook(
            webhook=webhook, by=None, reason=f"{webhook.failures} attempts failed in a row.{last}"
        )


def _claim(delivery: WebhookDelivery, at: datetime) -> bool:
    """Take a message; one whose worker dies is due again when the lease has run out."""
    rows = WebhookDelivery.objects.filter(
        pk=delivery.pk, state=State.WAITING, due_at=delivery.due_at, attempts=delivery.attempts
    )
    if not rows.update(due_at=at + LEASE, attempts=delivery.attempts + 1, attempted_at=at):
        return False
    delivery.attempts += 1
    return True


def _send(target: Target, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    """Talk to a checked address and no other; a receiver that is slow on purpose is cut off."""
    connection = _connection(target)
    watch = threading.Timer(TOTAL_SECONDS, _cut, (connection,))
    watch.daemon = True
    watch.start()
    try:
        connection.request("POST", target.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES).decode("utf-8", "replace")
    finally:
        watch.cancel()
        connection.close()


def _connection(target: Target) -> http.client.HTTPConnection:
    connection = http.client.HTTPConnection(target.host, target.port, timeout=CONNECT_SECONDS)
    plain = _connect(target)
    try:
        connection.sock = (
            ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
            if target.scheme == "https"
            else plain
        )
    except (OSError, ValueError):
        plain.close()
        raise
    return connection


def _connect(target: Target) -> socket.socket:
    """Connect to the first checked address that takes it. Raises OSError with what each one said."""
    refused: list[tuple[str, OSError]] = []
    until = time.monotonic() + TOTAL_SECONDS
    for address in target.addresses:
        seconds = min(CONNECT_SECONDS, until - time.monotonic())
        if seconds <= 0:
            break
        try:
            return socket.create_connection((address, target.port), seconds)
        except OSError as error:
            refused.append((address, error))
    if len(refused) == 1:
        raise refused[0][1]
    raise OSError("; ".join(f"{address}: {error}" for address, error in refused))


def _cut(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
