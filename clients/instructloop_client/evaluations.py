"""Evaluations: what labelers say of policies, and what public sets say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .rows import JSON, Benchmark, Code, Dataset, Evaluation
from .transport import Transport

CALLS: dict[str, tuple[str, str]] = {
    "evaluations": ("GET", "/evaluations/"),
    "start_evaluation": ("POST", "/evaluations/"),
    "evaluation": ("GET", "/evaluations/{code}/"),
    "evaluation_figures": ("GET", "/evaluations/figures/"),
    "benchmarks": ("GET", "/benchmarks/"),
    "benchmark_sets": ("GET", "/benchmarks/sets/"),
    "import_benchmark": ("POST", "/benchmarks/sets/"),
    "start_benchmarks": ("POST", "/benchmarks/"),
    "harness_tasks": ("GET", "/benchmarks/tasks/"),
    "alignment_tax": ("GET", "/models/{code}/alignment-tax/"),
}


class EvaluationCalls(Transport):
    """Judgements of policies, by people and by public sets."""

    def evaluations(self) -> Iterator[Evaluation]:
        """Give evaluations, newest first."""
        return self.pages(CALLS["evaluations"], Evaluation, {})

    def start_evaluation(
        self, policy: str, baseline: str, *, prompts: int = 100, cohorts: Sequence[str] = (), **more: Any
    ) -> Evaluation:
        """Let two policies answer the same prompts, and labelers compare them."""
        body: JSON = {"policy": policy, "baseline": baseline, "prompts": prompts, **more}
        body |= {"cohorts": list(cohorts)} if cohorts else {}
        return Evaluation.read(self.call(CALLS["start_evaluation"], body))

    def evaluation(self, code: Code) -> Evaluation:
        """Return an evaluation with its win rate."""
        return Evaluation.read(self.call(CALLS["evaluation"], code=code))

    def evaluation_figures(self, baseline: str, *, judged: str = "final") -> JSON:
        """Return every judged policy against one: win rates by cohort and origin, ratings, flags."""
        return self.call(CALLS["evaluation_figures"], query={"baseline": baseline, "judged": judged})

    def benchmark_sets(self) -> list[JSON]:
        """Return the public sets that an import can name, with the columns of their rows."""
        found: Any = self.call(CALLS["benchmark_sets"])
        return list(found)

    def import_benchmark(
        self,
        key: str,
        file: str | Path,
        *,
        few_shot: str | Path | None = None,
        form: str = "",
        name: str = "",
        license: str = "",
    ) -> tuple[Dataset, list[str]]:
        """Send the files of a public set. Returns it as a dataset, and the first lines that were refused."""
        words = {"set": key, "name": name, "license": license} | ({"form": form} if form else {})
        files = {"file": Path(file)} | ({"few_shot": Path(few_shot)} if few_shot else {})
        body = self.send_files(CALLS["import_benchmark"], words, files)
        return Dataset.read(body["dataset"]), list(body["refusals"])

    def benchmarks(self) -> Iterator[Benchmark]:
        """Give benchmark runs with their results, newest first."""
        return self.pages(CALLS["benchmarks"], Benchmark, {})

    def start_benchmarks(
        self,
        policies: Sequence[str],
        datasets: Sequence[Code] = (),
        *,
        tasks: Sequence[str] = (),
        classifier: str = "",
        **settings: Any,
    ) -> list[Benchmark]:
        """Queue a run for each policy, by name, and each set, by its dataset's code or its task's name."""
        body: JSON = {
            "policies": list(policies),
            "datasets": [str(code) for code in datasets],
            "tasks": list(tasks),
            "classifier": classifier,
            "settings": settings,
        }
        found: Any = self.call(CALLS["start_benchmarks"], body)
        return [Benchmark.read(row) for row in found]

    def harness_tasks(self) -> list[JSON]:
        """Return the tasks of the server's folder, each with the problem that keeps it from being run."""
        found: Any = self.call(CALLS["harness_tasks"])
        return list(found)

    def alignment_tax(self, code: Code) -> list[JSON]:
        """Return a policy beside what it was made from, on the same questions."""
        found: Any = self.call(CALLS["alignment_tax"], code=code)
        return list(found)
