"""What pages say when a rule refuses a step that has no form of its own to say it in."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib import messages
from django.http import HttpRequest

from labeling.errors import LabelingError


@contextmanager
def refusals_said(request: HttpRequest) -> Iterator[None]:
    """Say why a rule refused what is done inside; what comes after it goes on."""
    try:
        yield
    except LabelingError as error:
        messages.error(request, error.message)
