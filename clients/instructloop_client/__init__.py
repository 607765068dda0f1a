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
from collections.abc import Iterator, Sequence
from typing import Any

from . import evaluations, models, playground, rounds, runs, staff
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
from .transport import InstructLoopError, Unreachable, pieces_of

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
    "compare_datasets": ("GET", "/datasets/{code}/compare/"),
    "records": ("GET", "/datasets/{code}/records/"),
    "download_part": ("GET", "/datasets/{code}/parts/{split}/"),
    "download_parquet": ("GET", "/datasets/{code}/parts/{split}/"),
    **runs.CALLS,
    **models.CALLS,
    **rounds.CALLS,
    **evaluations.CALLS,
    **playground.CALLS,
    **staff.CALLS,
}
"""Which request each method makes; a test compares them with the server's OpenAPI description."""


class Client(
    runs.RunCalls,
    models.ModelCalls,
    rounds.RoundCalls,
    evaluations.EvaluationCalls,
    playground.PlaygroundCalls,
    staff.StaffCalls,
):
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

    def compare_datasets(self, code: Code, other: Code) -> JSON:
        """Return what lies between two datasets of a kind, record by record, the older one first."""
        return self.call(CALLS["compare_datasets"], query={"other": str(other)}, code=code)

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
            yield from pieces_of(answer)
