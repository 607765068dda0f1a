"""The signature of a message: HMAC-SHA256 over its time and body, by a secret that only both sides know."""

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from django.conf import settings

from labeling.models import Webhook

HEADER = "InstructLoop-Signature"
OVERLAP = timedelta(days=1)
"""How long after a change messages are also signed with the secret before."""


def secret_of(webhook: Webhook, salt: str = "") -> str:
    """Return a webhook's secret. It is computed, so that no copy of the database holds it."""
    words = f"webhook:{webhook.code}:{salt or webhook.salt}".encode()
    digest = hmac.new(settings.SECRET_KEY.encode(), words, hashlib.sha256).digest()
    return "whsec_" + base64.urlsafe_b64encode(digest).decode().rstrip("=")


def signature(secret: str, at: int, body: bytes) -> str:
    """Return the signature of a body sent at a time in seconds since 1970, in hexadecimal digits."""
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def signature_header(webhook: Webhook, at: datetime, body: bytes) -> str:
    """Return the header that proves who sent a message and when: "t=…,v1=…", during a change with two v1."""
    seconds = int(at.timestamp())
    salts = [webhook.salt]
    if webhook.previous_salt and webhook.rotated_at is not None and at < webhook.rotated_at + OVERLAP:
        salts.append(webhook.previous_salt)
    proofs = (f"v1={signature(secret_of(webhook, salt), seconds, body)}" for salt in salts)
    return ",".join((f"t={seconds}", *proofs))
