"""What browsers may do with an answer: the page policy for pages, nothing at all for JSON."""

from csp.constants import HEADER
from csp.middleware import CSPMiddleware
from django.http import HttpRequest, HttpResponseBase

NOTHING = "default-src 'none'; frame-ancestors 'none'"


class ContentPolicyMiddleware(CSPMiddleware):
    """The policy of the settings on pages; on JSON a fixed one, stricter and without work."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        if response.headers.get("Content-Type", "").startswith("application/json"):
            response.headers.setdefault(HEADER, NOTHING)
            return response
        return super().process_response(request, response)
