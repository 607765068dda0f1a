"""One shape for every refusal: {"code", "message", "fields"}."""

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions, status
from rest_framework.response import Response
from rest_framework.views import exception_handler as framework_handler
from rest_framework.views import set_rollback

from labeling.errors import (
    AssignmentClosed,
    Conflict,
    InvalidInput,
    LabelingError,
    NotFound,
    NotPermitted,
    StaleDraft,
    TooMany,
    Unavailable,
)

STATUSES: tuple[tuple[type[LabelingError], int], ...] = (
    (NotFound, status.HTTP_404_NOT_FOUND),
    (NotPermitted, status.HTTP_403_FORBIDDEN),
    (Conflict, status.HTTP_409_CONFLICT),
    (InvalidInput, status.HTTP_422_UNPROCESSABLE_ENTITY),
    (TooMany, status.HTTP_429_TOO_MANY_REQUESTS),
    (Unavailable, status.HTTP_503_SERVICE_UNAVAILABLE),
)

NOT_FOUND: Mapping[str, Any] = {
    "code": "not_found",
    "message": "There is nothing here, or nothing for you.",
    "fields": {},
}


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer where no endpoint and no page lies: in the one shape to programs, with a page to people."""
    if request.path.startswith("/api/"):
        return JsonResponse(NOT_FOUND, status=status.HTTP_404_NOT_FOUND)
    return defaults.page_not_found(request, exception)


def exception_handler(error: Exception, context: Mapping[str, Any]) -> Response | None:
    """Answer in the one shape; None for what nobody foresaw, so that it is logged as a crash."""
    if isinstance(error, LabelingError):
        set_rollback()
        return Response(
            {"code": error.reason_code, "message": error.message, "fields": fields_of(error)},
            status=status_of(error),
        )
    response = framework_handler(error, dict(context))
    if response is None:
        return None
    response.data = _body(error)
    if isinstance(error, exceptions.ValidationError):
        response.status_code = status.HTTP_422_UNPROCESSABLE_ENTITY
    return response


def status_of(error: LabelingError) -> int:
    """Return the HTTP status that says what kind of refusal this is."""
    return next((code for kind, code in STATUSES if isinstance(error, kind)), status.HTTP_400_BAD_REQUEST)


def fields_of(error: LabelingError) -> dict[str, Any]:
    """Return what the refusal concerns, with the receipt or the stored draft where it carries one."""
    fields = dict(error.fields)
    if isinstance(error, AssignmentClosed) and error.receipt is not None:
        fields["receipt"] = receipt_body(error.receipt)
    if isinstance(error, StaleDraft):
        fields["draft"] = draft_body(error.draft)
    return fields


def receipt_body(receipt: Any) -> dict[str, Any]:
    """Return a receipt as the API shows it."""
    return {
        "code": str(receipt.code),
        "assignment": str(receipt.assignment.code),
        "created_at": receipt.created_at,
        "content_hash": receipt.content_hash,
        "revision": receipt.revision,
        "is_surplus": receipt.is_surplus,
    }


def draft_body(draft: Any) -> dict[str, Any] | None:
    """Return a draft as the API shows it."""
    if draft is None:
        return None
    return {"version": draft.version, "payload": draft.payload, "saved_at": draft.saved_at}


def _body(error: Exception) -> dict[str, Any]:
    if isinstance(error, Http404):
        return dict(NOT_FOUND)
    if isinstance(error, PermissionDenied):
        return {"code": "not_permitted", "message": "This account may not do this.", "fields": {}}
    if isinstance(error, exceptions.ValidationError):
        detail = error.detail
        fields = detail if isinstance(detail, dict) else {"body": detail}
        return {"code": "invalid", "message": f"Not valid: {_sentence(fields)}", "fields": fields}
    if isinstance(error, exceptions.APIException):
        code = "not_permitted" if isinstance(error, exceptions.PermissionDenied) else error.default_code
        return {"code": code, "message": str(error.detail), "fields": {}}
    return {"code": "refused", "message": "The request was refused.", "fields": {}}


def _sentence(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_sentence(part)}" for key, part in value.items() if part)
    if isinstance(value, list):
        return " ".join(_sentence(part) for part in value if part)
    return str(value)
