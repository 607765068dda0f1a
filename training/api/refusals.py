"""A config's problems in the shape of every other refusal."""

from collections.abc import Iterator
from contextlib import contextmanager

from labeling.errors import InvalidInput
from training.rlhf.config import ConfigError


@contextmanager
def config_checked() -> Iterator[None]:
    """Turn a ConfigError into InvalidInput whose fields are the keys that are wrong."""
    try:
        yield
    except ConfigError as error:
        fields = {problem.partition(" ")[0]: problem for problem in error.problems}
        raise InvalidInput(" ".join(error.problems), code="bad_config", fields=fields) from None
