"""Keyset pages of a sorted list: as fast at the end as at the start, and steady while rows are added."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DataError
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

ROWS_A_PAGE = 50


@dataclass(frozen=True)
class KeysetPage:
    """Rows of one page, and the queries that lead to its neighbours; empty where there is none."""

    rows: Sequence[Any]
    previous: str
    next: str


def keyset_page(
    request: HttpRequest, rows: QuerySet[Any, Any], *, key: str, size: int = ROWS_A_PAGE
) -> KeysetPage:
    """Return the page at the address's `after` or `before`, ordered by `key` ("-key" downwards), then id.

    A cursor that makes no sense gives the first page.
    """
    name, is_down = key.removeprefix("-"), key.startswith("-")
    before, after = _read(request.GET.get("before", "")), _read(request.GET.get("after", ""))
    cursor, is_back = (before, True) if before else (after, False)
    reverse = is_down != is_back
    sign, side = ("-", "lt") if reverse else ("", "gt")
    wanted = rows.order_by(f"{sign}{name}", f"{sign}pk")
    if cursor:
        value, pk = cursor
        wanted = wanted.filter(Q(**{f"{name}__{side}": value}) | Q(**{name: value, f"pk__{side}": pk}))
    try:
        found = list(wanted[: size + 1])
    except (ValueError, TypeError, OverflowError, DataError):  # a cursor of another order, or made up
        found = list(rows.order_by(key, "-pk" if is_down else "pk")[: size + 1])
        cursor, is_back = None, False
    has_more, found = len(found) > size, found[:size]
    if is_back:
        found.reverse()
    has_previous, has_next = (has_more, True) if is_back else (cursor is not None, has_more)
    return KeysetPage(
        rows=found,
        previous=_query(request, "before", found[0], name) if found and has_previous else "",
        next=_query(request, "after", found[-1], name) if found and has_next else "",
    )


def _query(request: HttpRequest, side: str, row: Model, name: str) -> str:
    query = request.GET.copy()
    for cursor in ("before", "after"):
        query.pop(cursor, None)
    value = getattr(row, name)
    if isinstance(value, datetime):
        value = {"at": value.isoformat()}
    query[side] = base64.urlsafe_b64encode(json.dumps([value, row.pk]).encode()).decode()
    return f"?{query.urlencode()}"


def _read(cursor: str) -> tuple[Any, int] | None:
    try:
        value, pk = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        if isinstance(value, dict):
            value = datetime.fromisoformat(value["at"])
        if not isinstance(value, str | int | datetime) or not isinstance(pk, int):
            return None
    except (ValueError, TypeError, KeyError, binascii.Error):
        return None
    return value, pk
