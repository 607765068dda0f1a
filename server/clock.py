"""The clock: starts what is done regularly, whatever state an earlier one left its file in."""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from celery.beat import PersistentScheduler

log = logging.getLogger(__name__)


class Clock(PersistentScheduler):
    """Celery's scheduler, which forgets a file that it cannot read.

    Where the process was killed, or the power failed, while the file was written, Celery's own raises
    EOFError at each start: the worker goes on without a clock, and nothing is recovered or goes on by itself.
    What is lost with the file is when each task was last started.
    """

    schedule_filename: str
    _store: Any
    _remove_db: Callable[[], None]  # of the class above; its stubs leave all three out

    def setup_schedule(self) -> None:
        try:
            super().setup_schedule()
        except Exception as error:  # each kind of dbm has failures of its own
            log.error("%s cannot be read (%r); the clock begins a new one.", self.schedule_filename, error)
            with suppress(Exception):
                self._store.close()
            self._remove_db()
            super().setup_schedule()
