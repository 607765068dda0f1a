"""Task messages as files, written so that nobody ever reads half a message.

kombu's own file transport writes a message, and the table of queues, into the file that a worker may be
reading at that moment: now and then a message is lost or a worker stops. Here a message appears under its
name only when it is whole, and the tables are read and changed under one lock.
"""

import fcntl
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps

SCHEME = "files"


class Channel(filesystem.Channel):
    """kombu's channel over files, with whole messages and locked tables."""

    def _put(self, queue: str, *args: Any, **kwargs: Any) -> None:
        (message,) = args
        # Names sort in the order of sending, so that the oldest message is taken first.
        name = f"{time.time_ns():020d}_{uuid.uuid4()}.{queue}.msg"
        draft = Path(self.data_folder_out) / f"{name}.draft"
        draft.write_text(dumps(message), encoding="utf-8")
        draft.replace(draft.with_name(name))

    def get_table(self, exchange: str) -> list[Any]:
        """Return the queues that are bound to an exchange."""
        with self.locked_tables():
            return list(super().get_table(exchange))

    def _queue_bind(self, *args: Any) -> None:
        with self.locked_tables():
            super()._queue_bind(*args)

    def _delete(self, queue: str, *args: Any, **kwargs: Any) -> None:
        with self.locked_tables():
            super()._delete(queue, *args, **kwargs)

    @contextmanager
    def locked_tables(self) -> Iterator[None]:
        """Hold the one lock over all tables; other processes and threads wait."""
        folder = Path(self.control_folder)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "tables.lock").open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # closing the file ends it
            yield


class Transport(filesystem.Transport):
    """kombu's transport over files, with the channel above."""

    Channel = Channel
    driver_type = SCHEME
    driver_name = SCHEME


TRANSPORT_ALIASES[SCHEME] = f"{__name__}:Transport"
