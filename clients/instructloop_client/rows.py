"""What the server sends, as typed rows."""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any, TypeVar

ENDED = ("finished", "failed", "cancelled")
WRITING = ("queued", "writing")
JSON = dict[str, Any]
Code = str | uuid.UUID


@dataclasses.dataclass(frozen=True)
class Row:
    """What came back. Named fields are typed; `raw` is all of it, newer fields included."""

    code: str
    raw: JSON = dataclasses.field(repr=False, compare=False)

    @classmethod
    def read(cls: type[R], body: JSON) -> R:
        """Read a row from what the server sent; what it left out keeps its default."""
        names = {field.name for field in dataclasses.fields(cls)} - {"raw"}
        return cls(**{name: value for name, value in body.items() if name in names}, raw=body)


R = TypeVar("R", bound=Row)


@dataclasses.dataclass(frozen=True)
class Assignment(Row):
    """A leased task: a prompt, and for ranked kinds the responses as {"code", "text"} in display order.

    While it `awaits_readings` it has neither prompt nor form.
    """

    kind: str = ""
    prompt: str = ""
    awaits_readings: bool = False
    readings: list[JSON] = dataclasses.field(default_factory=list)
    responses: list[dict[str, str]] = dataclasses.field(default_factory=list)
    lease_expires_at: str | None = None
    guideline: JSON | None = None
    form: JSON | None = None
    draft: JSON | None = None


@dataclasses.dataclass(frozen=True)
class Receipt(Row):
    """Proof of a submission."""

    assignment: str = ""
    created_at: str = ""
    content_hash: str = ""
    revision: int = 1
    is_surplus: bool = False


@dataclasses.dataclass(frozen=True)
class Report(Row):
    """What is wrong with a response; `answer` is what staff said to it, empty before."""

    response: str = ""
    reason: str = ""
    note: str = ""
    answer: str = ""


@dataclasses.dataclass(frozen=True)
class Prompt(Row):
    """A prompt as it was taken in."""

    text: str = ""
    source: str = ""
    split: str = ""
    language: str = ""
    category: str = ""
    held_reason: str = ""


@dataclasses.dataclass(frozen=True)
class Dataset(Row):
    """A frozen selection; `counts` maps a part to its number of records."""

    kind: str = ""
    name: str = ""
    hash: str = ""
    rows: int = 0
    counts: dict[str, int] = dataclasses.field(default_factory=dict)
    manifest: JSON = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Run(Row):
    """A training job and how far it is."""

    stage: str = ""
    state: str = ""
    queue: str = ""
    priority: int = 0
    phase: str = ""
    progress_fraction: float = 0.0
    eta_seconds: float | None = None
    reason: str = ""
    result: JSON = dataclasses.field(default_factory=dict)
    model: str | None = None
    cloned_from: str | None = None

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED


@dataclasses.dataclass(frozen=True)
class Model(Row):
    """Weights in the registry; in detail with `lineage`, `descendants` and the `alarm` of a PPO policy."""

    name: str = ""
    kind: str = ""
    run: str | None = None
    policy: str | None = None
    status: str = ""
    weights_deleted_at: str | None = None
    alarm: JSON | None = None
    lineage: JSON = dataclasses.field(default_factory=dict)
    descendants: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Round(Row):
    """One turn of the loop; in detail with its steps and the `alarm` of the policy that it made."""

    number: int = 0
    name: str = ""
    settings: JSON = dataclasses.field(default_factory=dict)
    closed_at: str | None = None
    steps: list[JSON] = dataclasses.field(default_factory=list)
    alarm: JSON | None = None

    @property
    def next_step(self) -> JSON | None:
        """The first step that is not done."""
        return next((step for step in self.steps if step["state"] != "done"), None)


@dataclasses.dataclass(frozen=True)
class Evaluation(Row):
    """Two policies compared by labelers; in detail with `result`, the win rate and its interval."""

    name: str = ""
    policy: str = ""
    baseline: str = ""
    batch: str = ""
    result: JSON = dataclasses.field(default_factory=dict)
    cohorts: JSON = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Benchmark(Row):
    """A policy on a public set; `results` holds each measure with its interval."""

    policy: str = ""
    dataset: str = ""
    state: str = ""
    results: list[JSON] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Conversation(Row):
    """A conversation of one's own; in detail with its sides and turns, names hidden while a vote is blind."""

    mode: str = ""
    sides: list[JSON] = dataclasses.field(default_factory=list)
    turns: list[JSON] = dataclasses.field(default_factory=list)
    may_vote: bool = False
    note: str = ""

    @property
    def is_writing(self) -> bool:
        """Whether a reply is still to come."""
        return any(reply["state"] in WRITING for turn in self.turns for reply in turn["replies"])


@dataclasses.dataclass(frozen=True)
class Standing(Row):
    """A policy in blind votes; `share` is none before there are enough of them."""

    name: str = ""
    votes: int = 0
    share: float | None = None
    low: float | None = None
    high: float | None = None


@dataclasses.dataclass(frozen=True)
class Webhook(Row):
    """An address that is told of events."""

    name: str = ""
    url: str = ""
    events: list[str] = dataclasses.field(default_factory=list)
    failures: int = 0
    disabled_at: str | None = None
    disabled_reason: str = ""


@dataclasses.dataclass(frozen=True)
class Delivery(Row):
    """One message of a webhook and what came of it."""

    event: str = ""
    state: str = ""
    attempts: int = 0
    status: int | None = None
    answer: str = ""


@dataclasses.dataclass(frozen=True)
class Rate(Row):
    """What an hour costs from a day on."""

    per_hour: str = ""
    currency: str = ""
    valid_from: str = ""
    labeler: str | None = None
    vendor: str = ""
    kind: str = ""


@dataclasses.dataclass(frozen=True)
class MachineRate(Row):
    """What an hour of a run costs from a day on; an empty queue means all."""

    per_hour: str = ""
    valid_from: str = ""
    queue: str = ""
