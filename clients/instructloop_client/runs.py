"""Runs: started, watched, compared, and the workers that do them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .rows import JSON, Code, Run
from .transport import Transport, pieces_of

CALLS: dict[str, tuple[str, str]] = {
    "runs": ("GET", "/runs/"),
    "start_run": ("POST", "/runs/"),
    "run": ("GET", "/runs/{code}/"),
    "clone_run": ("POST", "/runs/{code}/clone/"),
    "set_priority": ("POST", "/runs/{code}/priority/"),
    "points": ("GET", "/runs/{code}/points/"),
    "points_file": ("GET", "/runs/{code}/points.csv"),
    "samples": ("GET", "/runs/{code}/samples/"),
    "resources": ("GET", "/runs/{code}/resources/"),
    "compare_runs": ("GET", "/runs/compare/"),
    "compare_points": ("GET", "/runs/compare/points/"),
    "workers": ("GET", "/workers/"),
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
        priority: int = 0,
        queue: str = "",
    ) -> Run:
        """Check a config and queue a run. Inputs are named by code, name, start of a hash, or "newest".

        Of the runs in a queue the one with the highest priority goes first; without a queue, the usual one.
        """
        body: JSON = {
            "stage": stage,
            "inputs": dict(inputs),
            "config": config or {},
            "model_name": model_name,
            "priority": priority,
        }
        body |= {"shipped": shipped} if shipped else {}
        body |= {"queue": queue} if queue else {}
        return Run.read(self.call(CALLS["start_run"], body))

    def clone_run(self, code: Code, **changes: Any) -> Run:
        """Queue a run like another one, but for the `config`, `inputs`, `model_name`, … that are named."""
        return Run.read(self.call(CALLS["clone_run"], changes, code=code))

    def set_priority(self, code: Code, priority: int) -> Run:
        """Let a queued run go before others, or after them."""
        return Run.read(self.call(CALLS["set_priority"], {"priority": priority}, code=code))

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

    def points_file(self, code: Code) -> Iterator[bytes]:
        """Give every point of a run as CSV, piece by piece, to be written as it comes."""
        with self.open(CALLS["points_file"], code=code) as answer:
            yield from pieces_of(answer)

    def samples(self, code: Code, *, earlier: int | None = None, later: int | None = None) -> JSON:
        """Return a policy's answers to the same prompts, and what changed between two steps."""
        named = {"earlier": earlier, "later": later}
        query = {name: step for name, step in named.items() if step is not None}
        return self.call(CALLS["samples"], query=query, code=code)

    def resources(self, code: Code) -> list[JSON]:
        """Return what a run takes of its machine over its minutes."""
        found: Any = self.call(CALLS["resources"], code=code)
        return list(found)

    def compare_runs(self, *codes: Code) -> JSON:
        """Return settings, inputs and results of two to five runs, each with whether it `differs`."""
        return self.call(CALLS["compare_runs"], query={"run": [str(code) for code in codes]})

    def compare_points(self, *codes: Code) -> JSON:
        """Return, for each metric, a curve for each of two to five runs."""
        return self.call(CALLS["compare_points"], query={"run": [str(code) for code in codes]})

    def workers(self) -> JSON:
        """Return who works on what, and which runs wait."""
        return self.call(CALLS["workers"])

    def log(self, code: Code, *, after: int = 0) -> JSON:
        """Return lines of a run's log from a cursor on, and the cursor to go on from."""
        return self.call(CALLS["log"], query={"after": after}, code=code)

    def cancel_run(self, code: Code) -> Run:
        """Cancel a run; it saves before it ends."""
        return Run.read(self.call(CALLS["cancel_run"], code=code))

    def retry_run(self, code: Code) -> Run:
        """Queue a failed or cancelled run again."""
        return Run.read(self.call(CALLS["retry_run"], code=code))
