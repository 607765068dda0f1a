"""What goes into the log: a refused request is one line, a fault is a traceback."""

import logging

from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404

REFUSALS = (PermissionDenied, Http404, SuspiciousOperation)


class RefusalsWithoutTraceback(logging.Filter):
    """Take the traceback off what the product refused on purpose; everything passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record through, without the stack of a refusal."""
        if record.exc_info and isinstance(record.exc_info[1], REFUSALS):
            record.exc_info, record.exc_text = None, None
        return True
