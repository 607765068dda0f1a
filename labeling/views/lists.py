"""What lists share: one page of rows, asked for in the address."""

from collections.abc import Sequence
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest

ROWS_A_PAGE = 50


def one_page(request: HttpRequest, rows: QuerySet[Any] | Sequence[Any], size: int = ROWS_A_PAGE) -> Page[Any]:
    """Return the page that the address asks for; a wrong number gives the nearest one."""
    return Paginator(rows, size).get_page(request.GET.get("page"))
