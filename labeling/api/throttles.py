"""How often one person may ask."""

from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from labeling.api.access import user_of
from labeling.errors import TooMany
from labeling.rules import claim_rate


class ClaimThrottle(BaseThrottle):
    """Limits claims, together with those by page."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.user.pk is None:
            return True
        try:
            claim_rate.count_claim(user_of(request))
        except TooMany:
            return False
        return True

    def wait(self) -> float:
        return claim_rate.seconds_left()
