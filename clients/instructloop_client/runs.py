"""Runs: started, watched, compared, and the workers that do them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .rows import JSON, Code, Run
from .transport import Transport

CALLS: dict[str, tuple[str, str]] = {
    "runs": ("GET", "/runs/"),
    "start_run": ("POST", "/runs/"),
    "run": ("GET", "/runs/{code}/"),
    "points": ("GET", "/runs/{code}/points/"),
    "log": ("GET", "/runs/{code}/log/"),
    "cancel_run": ("POST", "/runs/{code}/cancel/"),
    "retry_run": ("POST", "/runs/{code}/retry/"),
}


class RunCalls(Transport):
    """Training jobs."""

    def runs(self, **wanted: Any) -> Iterator[Run]:
        """Give runs, newest first; narrowed by stage and state."""
        return self.pages(CALLS["runs"], Run, wanted)

    def start_run(
        self,
        stage: str,
        *,
        inputs: Mapping[str, str],
        config: JSON | None = None,
        shipped: str = "",
        model_name: str = "",
    ) -> Run:
        """Check a config and queue a run. Inputs are named by code, name, start of a hash, or "newest"."""
        body: JSON = {
            "stage": stage,
            "inputs": dict(inputs),
            "config": config or {},
            "model_name": model_name,
        }
        if shipped:
            body["shipped"] = shipped
        return Run.read(self.call(CALLS["start_run"], body))

    def run(self, code: Code) -> Run:
        """Return a run as it stands."""
        return Run.read(self.call(CALLS["run"], code=code))

    def watch_run(self, code: Code, *, every: float = 5.0) -> Iterator[Run]:
        """Give a run again and again until it has ended; the last one given has."""
        while True:
            run = self.run(code)
            yield run
            if run.has_ended:
                return
            self._wait(every)

    def wait_for_run(self, code: Code, *, every: float = 5.0) -> Run:
        """Return a run when it has ended."""
        *_, last = self.watch_run(code, every=every)
        return last

    def points(self, code: Code) -> JSON:
        """Return the curves of a run, thinned."""
        return self.call(CALLS["points"], code=code)

    def log(self, code: Code, *, after: int = 0) -> JSON:
        """Return lines of a run's log from a cursor on, and the cursor to go on from."""
        return self.call(CALLS["log"], query={"after": after}, code=code)

    def cancel_run(self, code: Code) -> Run:
        """Cancel a run; it saves before it ends."""
        return Run.read(self.call(CALLS["cancel_run"], code=code))

    def retry_run(self, code: Code) -> Run:
        """Queue a failed or cancelled run again."""
        return Run.read(self.call(CALLS["retry_run"], code=code))
