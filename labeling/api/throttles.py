"""How often one person may ask."""

import time

from django.conf import settings
from rest_framework.request import Request
from rest_framework.throttling import UserRateThrottle
from rest_framework.views import APIView

from labeling.api.access import user_of


class ClaimThrottle(UserRateThrottle):
    """Limits claims, so that nobody leafs through the queue for tasks they like.

    Each process counts for itself, in windows of fixed length: asking a shared cache would take longer than
    finding the task, and somebody who leafs is stopped all the same.
    """

    scope = "claims"
    duration: int | None
    num_requests: int | None
    counts: dict[object, tuple[int, int]] = {}
    """By account: the window counted last and the claims in it."""

    def get_rate(self) -> str:
        rate: str = settings.CLAIM_RATE
        return rate

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.user.pk is None or self.duration is None or self.num_requests is None:
            return True
        window = int(time.time() // self.duration)
        account = (request.user.pk, user_of(request).date_joined)
        counted, claims = self.counts.get(account, (window, 0))
        claims = claims + 1 if counted == window else 1
        self.counts[account] = (window, claims)
        return claims <= self.num_requests

    def wait(self) -> float | None:
        return None if self.duration is None else self.duration - time.time() % self.duration
