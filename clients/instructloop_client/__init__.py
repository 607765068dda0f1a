"""A client of InstructLoop's interface for programs: Python 3.11, standard library only; copy the folder.

    from instructloop_client import Client

    client = Client("https://loop.example.org", token)
    run = client.start_run("sft", shipped="tiny_sft", inputs={"policy": "base", "dataset": "newest"})
    print(client.wait_for_run(run.code).state)

Every call is one request, listed in `CALLS` beside its method; lists are read page by page while they are
iterated. Answers of 429 and 503 are tried again after the time that the server names. Any other refusal
raises `InstructLoopError` with the server's code, its sentence and the fields concerned.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from . import playground, staff
from .rows import (
    JSON,
    Assignment,
    Benchmark,
    Code,
    Conversation,
    Dataset,
    Delivery,
    Evaluation,
    MachineRate,
    Model,
    Prompt,
    Rate,
    Receipt,
    Report,
    Round,
    Row,
    Run,
    Standing,
    Webhook,
)
from .transport import InstructLoopError, Unreachable

__all__ = [
    "CALLS",
    "Assignment",
    "Benchmark",
    "Client",
    "Conversation",
    "Dataset",
    "Delivery",
    "Evaluation",
    "InstructLoopError",
    "MachineRate",
    "Model",
    "Prompt",
    "Rate",
    "Receipt",
    "Report",
    "Round",
    "Row",
    "Run",
    "Standing",
    "Unreachable",
    "Webhook",
]
PIECE = 1 << 16
CALLS: dict[str, tuple[str, str]] = {
    "next_task": ("POST", "/tasks/next/"),
    "assignment": ("GET", "/assignments/{code}/"),
    "save_draft": ("PUT", "/assignments/{code}/draft/"),
    "store_readings": ("POST", "/assignments/{code}/readings/"),
    "submit": ("POST", "/assignments/{code}/submit/"),
    "skip": ("POST", "/assignments/{code}/skip/"),
    "heartbeat": ("POST", "/assignments/{code}/heartbeat/"),
    "report_response": ("POST", "/assignments/{code}/reports/"),
    "prompts": ("GET", "/prompts/"),
    "add_prompt": ("POST", "/prompts/"),
    "prompt": ("GET", "/prompts/{code}/"),
    "prompt_seen_by": ("GET", "/prompts/{code}/seen-by/"),
    "labeler_seen_by": ("GET", "/labelers/{code}/seen-by/"),
    "datasets": ("GET", "/datasets/"),
    "freeze_dataset": ("POST", "/datasets/"),
    "dataset": ("GET", "/datasets/{code}/"),
    "records": ("GET", "/datasets/{code}/records/"),
    "download_part": ("GET", "/datasets/{code}/parts/{split}/"),
    "download_parquet": ("GET", "/datasets/{code}/parts/{split}/"),
    "runs": ("GET", "/runs/"),
    "start_run": ("POST", "/runs/"),
    "run": ("GET", "/runs/{code}/"),
    "points": ("GET", "/runs/{code}/points/"),
    "log": ("GET", "/runs/{code}/log/"),
    "cancel_run": ("POST", "/runs/{code}/cancel/"),
    "retry_run": ("POST", "/runs/{code}/retry/"),
    "models": ("GET", "/models/"),
    "import_model": ("POST", "/models/"),
    "model": ("GET", "/models/{code}/"),
    "rounds": ("GET", "/rounds/"),
    "open_round": ("POST", "/rounds/"),
    "round": ("GET", "/rounds/{code}/"),
    "own_rounds": ("GET", "/rounds/own/"),
    "do_step": ("POST", "/rounds/{code}/steps/{key}/"),
    "open_gate": ("POST", "/rounds/{code}/gate/"),
    "evaluations": ("GET", "/evaluations/"),
    "start_evaluation": ("POST", "/evaluations/"),
    "evaluation": ("GET", "/evaluations/{code}/"),
    "benchmarks": ("GET", "/benchmarks/"),
    "start_benchmarks": ("POST", "/benchmarks/"),
    "harness_tasks": ("GET", "/benchmarks/tasks/"),
    "alignment_tax": ("GET", "/models/{code}/alignment-tax/"),
    **playground.CALLS,
    **staff.CALLS,
}
"""Which request each method makes; a test compares them with the server's OpenAPI description."""


class Client(playground.PlaygroundCalls, staff.StaffCalls):
    """Everything that one account may do over the interface, a method for each request."""

    # Labeling

    def next_task(self, kind: str) -> Assignment | None:
        """Lease the next task of a kind; None where nothing is open for this account now."""
        body = self.call(CALLS["next_task"], {"kind": kind})
        return Assignment.read(body) if body else None

    def assignment(self, code: Code) -> Assignment:
        """Return an assignment of one's own."""
        return Assignment.read(self.call(CALLS["assignment"], code=code))

    def save_draft(self, code: Code, payload: JSON, *, version: int) -> JSON:
        """Keep a draft. `version` is that of the draft it follows, 0 for the first."""
        return self.call(CALLS["save_draft"], {"version": version, "payload": payload}, code=code)

    def store_readings(self, code: Code, readings: Sequence[JSON]) -> Assignment:
        """Say what each response seems to say, as {"code", "text"} or {"code", "cannot_tell": True}.

        For a task that `awaits_readings`; answers with its prompt. The first to come stand.
        """
        return Assignment.read(self.call(CALLS["store_readings"], {"readings": list(readings)}, code=code))

    def submit(self, code: Code, content: JSON, *, key: str = "") -> Receipt:
        """Submit an answer. The same `key` may be sent again after a broken line: the receipt is the same."""
        headers = {"Idempotency-Key": key or str(uuid.uuid4())}
        return Receipt.read(self.call(CALLS["submit"], content, headers=headers, code=code))

    def skip(self, code: Code, reason: str, note: str = "") -> JSON:
        """Pass a task on."""
        return self.call(CALLS["skip"], {"reason": reason, "note": note}, code=code)

    def heartbeat(self, code: Code, active_seconds: int = 0) -> JSON:
        """Renew a lease and add time at work."""
        return self.call(CALLS["heartbeat"], {"active_seconds": active_seconds}, code=code)

    def report_response(self, code: Code, response: Code, reason: str, note: str = "") -> Report:
        """Say that a response of a task in hand is broken, harmful or otherwise wrong in itself."""
        body: JSON = {"response": str(response), "reason": reason, "note": note}
        return Report.read(self.call(CALLS["report_response"], body, code=code))

    # Prompts

    def prompts(self, **wanted: Any) -> Iterator[Prompt]:
        """Give prompts, newest first; narrowed by split, source, category, language, has_pii, is_held."""
        return self.pages(CALLS["prompts"], Prompt, wanted)

    def add_prompt(self, prompt: str, *, user_id: str, consent: int, source: str = "api") -> Prompt:
        """Take a prompt in from a live source, with the version of the notice its author agreed to."""
        body = {"prompt": prompt, "user_id": user_id, "consent": consent, "source": source}
        return Prompt.read(self.call(CALLS["add_prompt"], body))

    def prompt(self, code: Code) -> Prompt:
        """Return a prompt."""
        return Prompt.read(self.call(CALLS["prompt"], code=code))

    def prompt_seen_by(self, code: Code) -> JSON:
        """Return the datasets, runs and models that saw a prompt."""
        return self.call(CALLS["prompt_seen_by"], code=code)

    def labeler_seen_by(self, code: Code) -> JSON:
        """Return the datasets, runs and models behind which a labeler's labels stand."""
        return self.call(CALLS["labeler_seen_by"], code=code)

    # Datasets

    def datasets(self, **wanted: Any) -> Iterator[Dataset]:
        """Give datasets, newest first; narrowed by kind."""
        return self.pages(CALLS["datasets"], Dataset, wanted)

    def freeze_dataset(self, kind: str, *, name: str = "", selection: JSON | None = None) -> Dataset:
        """Freeze labels into a dataset."""
        body = {"kind": kind, "name": name, "selection": selection or {}}
        return Dataset.read(self.call(CALLS["freeze_dataset"], body))

    def dataset(self, code: Code) -> Dataset:
        """Return a dataset with its manifest."""
        return Dataset.read(self.call(CALLS["dataset"], code=code))

    def records(self, code: Code, *, split: str = "train", first: int = 0, count: int = 20) -> list[JSON]:
        """Return some records of a part."""
        query = {"split": split, "first": first, "count": count}
        found: list[JSON] = self.call(CALLS["records"], query=query, code=code)["records"]
        return found

    def download_part(self, code: Code, split: str = "train") -> Iterator[JSON]:
        """Give every record of a part, read as it comes: memory does not grow with the dataset."""
        with self.open(CALLS["download_part"], code=code, split=split) as answer:
            for line in answer:
                yield json.loads(line)

    def download_parquet(self, code: Code, split: str = "train") -> Iterator[bytes]:
        """Give a part as a Parquet file, piece by piece, to be written as it comes."""
        query = {"file_format": "parquet"}
        with self.open(CALLS["download_parquet"], query=query, code=code, split=split) as answer:
            while piece := answer.read(PIECE):
                yield piece

    # Runs

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

    # Models

    def models(self, **wanted: Any) -> Iterator[Model]:
        """Give models, newest first; narrowed by kind."""
        return self.pages(CALLS["models"], Model, wanted)

    def import_model(self, location: str, *, name: str, kind: str = "base") -> Model:
        """Enter a model from a folder on the server, or by its id on the hub."""
        return Model.read(
            self.call(CALLS["import_model"], {"location": location, "name": name, "kind": kind})
        )

    def model(self, code: Code) -> Model:
        """Return a model with its lineage."""
        return Model.read(self.call(CALLS["model"], code=code))

    # Rounds

    def rounds(self) -> Iterator[Round]:
        """Give rounds, newest first."""
        return self.pages(CALLS["rounds"], Round, {})

    def open_round(
        self, *, base_model: Code = "", previous: Code = "", name: str = "", settings: JSON | None = None
    ) -> Round:
        """Open a round from a base model, or after another round."""
        body: JSON = {"name": name, "settings": settings or {}}
        body |= {"base_model": str(base_model)} if base_model else {}
        body |= {"previous": str(previous)} if previous else {}
        return Round.read(self.call(CALLS["open_round"], body))

    def round(self, code: Code) -> Round:
        """Return a round with its steps."""
        return Round.read(self.call(CALLS["round"], code=code))

    def own_rounds(self) -> list[JSON]:
        """Return, to a labeler, the rounds their labels went into and how each did."""
        found: Any = self.call(CALLS["own_rounds"])
        return list(found)

    def do_step(self, code: Code, key: str) -> Round:
        """Do the next step of a round; refused with 409 where `key` is not the next one."""
        return Round.read(self.call(CALLS["do_step"], code=code, key=key))

    def open_gate(self, code: Code, reason: str) -> Round:
        """Open a round's gate under one's own name."""
        return Round.read(self.call(CALLS["open_gate"], {"reason": reason}, code=code))

    # Evaluations

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
