"""Wait out a database that is away for a moment, as while it is restarted."""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connection

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 600.0
"""How long a worker's run goes on without a database before it is given up; others may take it meanwhile."""
PAUSE_SECONDS = 1.0
Answer = TypeVar("Answer")


def patiently(do: Callable[[], Answer]) -> Answer:
    """Do something in the database, and again while the database is away.

    What is done must bear being done twice: a connection may break after the commit. Raises what the database
    said last where it stays away, and at once inside a transaction, of which nothing is left.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return do()
        except (OperationalError, InterfaceError) as error:
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            log.warning("The database is away (%s); waiting for it", str(error).strip())
            connection.close()
            time.sleep(PAUSE_SECONDS)
