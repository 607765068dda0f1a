"""Keyset pages: as fast at the end of a long list as at its start, and steady while rows are added."""

from rest_framework.pagination import CursorPagination


class KeysetPagination(CursorPagination):
    """Newest first; `limit` sets the size of a page, `cursor` comes from `next` and `previous`."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 500
