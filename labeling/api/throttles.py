"""How often one person may ask."""

from django.conf import settings
from rest_framework.throttling import UserRateThrottle


class ClaimThrottle(UserRateThrottle):
    """Limits claims, so that nobody leafs through the queue for tasks they like."""

    scope = "claims"

    def get_rate(self) -> str:
        rate: str = settings.CLAIM_RATE
        return rate
