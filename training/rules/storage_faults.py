"""What to say where files cannot be written or read: a disk that is full or closed, a store that is away."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from labeling.errors import Unavailable

FULL = (errno.ENOSPC, errno.EDQUOT)
AWAY = (
    errno.ENOTCONN,
    errno.EHOSTDOWN,
    errno.EHOSTUNREACH,
    errno.ESTALE,
    errno.EIO,
)
CLOSED = (errno.EROFS, errno.EACCES, errno.EPERM)


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn what the system says of a place that is full, closed or away into a sentence with what to do.

    Raises Unavailable; other errors, such as a file that is not there, go their way.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            text = f"The disk that holds {place} is full; nothing was stored. Free some space and try again."
        elif error.errno in CLOSED:
            text = (
                f"{place} does not let this process write ({error.strerror}); nothing was stored. "
                "Let it, then try again."
            )
        elif error.errno in AWAY or isinstance(error, ConnectionError | TimeoutError):
            text = f"{place} cannot be reached ({error.strerror or error}); try again once it is back."
        else:
            raise
        raise Unavailable(text) from error
