"""What is refused on purpose stands in the log in one line; a fault keeps its traceback."""

import logging
import sys

import pytest
from django.core.exceptions import PermissionDenied
from django.http import Http404

from server.logs import RefusalsWithoutTraceback


def record_of(error: Exception) -> logging.LogRecord:
    try:
        raise error
    except Exception:
        return logging.LogRecord("django.request", logging.WARNING, "", 0, "Forbidden", None, sys.exc_info())


@pytest.mark.parametrize("error", [PermissionDenied(), Http404()])
def test_refusal_has_no_traceback(error: Exception) -> None:
    record = record_of(error)
    assert RefusalsWithoutTraceback().filter(record)
    assert "Traceback" not in logging.Formatter().format(record)


def test_fault_keeps_its_traceback() -> None:
    record = record_of(ValueError("broken"))
    assert RefusalsWithoutTraceback().filter(record)
    assert "Traceback" in logging.Formatter().format(record)
