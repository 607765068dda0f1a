"""The process that writes replies: `training.rlhf.converse`, started once by a worker and kept warm."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from django.conf import settings

from training.models import Model
from training.rules.run_process import SECRETS

END_SECONDS = 5.0


class WriterGone(Exception):
    """The process ended while it was needed."""


def command() -> list[str]:
    """Return the command line of the process."""
    return [
        sys.executable, "-m", "training.rlhf.converse", "--memory-gb", str(settings.PLAYGROUND_MEMORY_GB)
    ]  # fmt: skip


class Writer:
    """A running process, asked line by line. It ends by itself when this one does, however that ends."""

    def __init__(self) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in SECRETS}
        needs_hub = Model.objects.usable().policies().filter(folder="").exists()
        environment |= {
            "HF_HUB_OFFLINE": "0" if needs_hub else "1",
            "TOKENIZERS_PARALLELISM": "false",
            "TQDM_DISABLE": "1",
        }
        self.process = subprocess.Popen(
            command(),
            cwd=settings.BASE_DIR,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    def ask(self, request: Mapping[str, Any]) -> None:
        """Send one request. Raises WriterGone."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(dict(request)) + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError) as error:
            raise WriterGone from error

    def stop(self, name: str) -> None:
        """Let it write no more to one request; one that is over is no error."""
        with suppress(WriterGone):
            self.ask({"do": "stop", "id": name})

    def next_event(self, timeout: float) -> dict[str, Any] | None:
        """Return what it says next, None where it said nothing for so long. Raises WriterGone."""
        try:
            event = self._events.get(timeout=timeout)
        except queue.Empty:
            return None
        if event is None:
            self._events.put(None)
            raise WriterGone
        return event

    def end(self) -> None:
        """End it at once."""
        self.process.kill()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with suppress(ValueError):
                self._events.put(json.loads(line))
        self._events.put(None)


_kept: list[Writer] = []


def warm_writer() -> Writer:
    """Return the process of this worker, started where there is none."""
    while _kept:
        if _kept[0].is_alive:
            return _kept[0]
        _kept.pop()
    _kept.append(Writer())
    return _kept[0]


def end_writer() -> None:
    """End the process of this worker, so that the next turn starts a fresh one."""
    while _kept:
        _kept.pop().end()
