"""A crew that does runs in the test's own process: torch is loaded once, nothing is served."""

import pytest
from rich.console import Console

from training.demo.display import Display
from training.models import Run
from training.rlhf.__main__ import main
from training.rules import models, run_folder
from training.rules.run_execution import record_finish
from training.rules.runs import claim_run


class InProcess:
    """Does each run at once, as a worker would, but without a process of its own."""

    def send(self, run: Run) -> None:
        """Do a queued run from claim to record."""
        claimed = claim_run(run, worker="test")
        assert claimed is not None
        folder = run_folder.prepare(claimed)
        status = main([claimed.stage, "--config", str(folder / "run.toml")])
        assert status == 0, run_folder.read_result(folder)
        run_folder.MetricsTail(claimed, folder).copy()
        models.store_weights(claimed, folder)
        record_finish(claimed, folder)

    def check(self) -> None:
        """The test itself is the worker."""


@pytest.fixture
def crew() -> InProcess:
    return InProcess()


@pytest.fixture
def display() -> Display:
    return Display(Console(quiet=True))
