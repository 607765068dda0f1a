"""How a run can end early. The message of each is one sentence that a person reads in the dashboard."""

from __future__ import annotations


class RunRefusedError(Exception):
    """Config, dataset or model cannot be used: names key or file, what was found and what is allowed."""


class RunFailedError(Exception):
    """The run cannot go on, such as a loss that is no number."""


class RunCancelledError(Exception):
    """Somebody asked the run to stop; a checkpoint is saved."""
