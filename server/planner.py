"""What SQLite knows of its tables when it chooses how to answer a query."""

from django.db import connection

ROWS_LOOKED_AT = 400
"""Of each index: enough to tell a table of ten rows from one of a million, and as fast on both."""


def keep_statistics() -> bool:
    """Count rows anew where nobody else does: SQLite only does so when asked. Returns whether it did.

    Without counts it takes every table for large and every index for equally good, and joined, for the costs
    page, all responses of one policy with all of another. PostgreSQL counts by itself.
    """
    if connection.vendor != "sqlite":
        return False
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA analysis_limit={ROWS_LOOKED_AT}")
        cursor.execute("ANALYZE")
    return True
