"""Everything that a run's process writes while it works, copied into the database as it comes."""

from pathlib import Path

from training.models import Run
from training.rules.run_folder import MetricsTail
from training.rules.run_log import LogTail
from training.rules.run_resources import ResourcesTail


class Tails:
    """Follows numbers, log and use of the machine; each can begin anew at any time."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.metrics = MetricsTail(run, folder)
        self.log = LogTail(run, folder)
        self.resources = ResourcesTail(run, folder)

    def copy(self, *, is_last: bool = False) -> None:
        """Store what is whole by now; at the end the rest of the log too."""
        self.metrics.copy()
        self.log.copy(is_last=is_last)
        self.resources.copy()
