"""Batches: made, filled with tasks, opened as slots, watched, closed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import (
    MAX_K,
    MIN_K,
    Assignment,
    Batch,
    Candidate,
    Cohort,
    Policy,
    Prompt,
    Receipt,
    Response,
    Task,
    TaskKind,
    User,
)
from labeling.rules import audit, guidelines, slot_rows
from labeling.rules.access import Action, ensure
from labeling.rules.texts import check_text

ROWS_AT_ONCE = 2000
MAX_OVERLAP = 20


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is. `wanted` counts labels; `surplus` ones came late and are not in `submitted`."""

    tasks: int
    wanted: int
    submitted: int
    leased: int
    open: int
    skipped: int
    surplus: int

    @property
    def fraction(self) -> float:
        """The share of wanted labels that came in, 0 to 1."""
        return min(1.0, self.submitted / self.wanted) if self.wanted else 0.0


def create_batch(
    *,
    name: str,
    kind: str,
    by: User | None = None,
    cohorts: Sequence[str] = (Cohort.TRAIN,),
    k: int = 4,
    overlap: int = 1,
    shared_fraction: float = 1.0,
    baseline: Policy | None = None,
    priority: int = 0,
    lease_seconds: int = 1800,
    deadline_at: datetime | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Batch:
    """Make a draft batch under the current guideline and form of its kind.

    Raises InvalidInput naming every field that does not fit: held-out labelers take only final evaluations.
    """
    if by is not None:
        ensure(by, Action.MANAGE_BATCHES)
    name = check_text(name, field="name").strip()
    faults = faults_in_rules(
        kind,
        {
            "name": name,
            "kind": kind,
            "cohorts": cohorts,
            "k": k,
            "overlap": overlap,
            "shared_fraction": shared_fraction,
            "lease_seconds": lease_seconds,
            "priority": priority,
        },
    )
    if faults:
        sentence = "; ".join(f"{field} {fault}" for field, fault in faults.items())
        raise InvalidInput(f"This batch cannot be made: {sentence}.", fields=faults)
    guidelines.ensure_defaults()
    with transaction.atomic():
        batch = Batch.objects.create(
            name=name,
            kind=kind,
            guideline=guidelines.current_guideline(kind),
            form=guidelines.current_form(kind),
            cohorts=sorted(set(cohorts)),
            k=k,
            overlap=overlap,
            shared_fraction=shared_fraction,
            baseline=baseline,
            priority=priority,
            lease_seconds=lease_seconds,
            deadline_at=deadline_at,
            settings=dict(settings or {}),
            created_by=by,
        )
        audit.record(actor=by, action="create_batch", obj=batch, kind=kind, overlap=overlap)
    return batch


def faults_in_rules(kind: str, wanted: Mapping[str, Any]) -> dict[str, str]:
    """Say what is wrong with the rules of a batch of a kind, by field; only what is named is looked at."""
    faults: dict[str, str] = {}
    limits = {
        "k": (MIN_K, MAX_K),
        "overlap": (1, MAX_OVERLAP),
        "lease_seconds": (60, 86_400),
        "priority": (-1000, 1000),
    }
    for field, (low, high) in limits.items():
        if field in wanted and not low <= wanted[field] <= high:
            faults[field] = f"is {wanted[field]}, must be {low} to {high}"
    if "name" in wanted and not 1 <= len(wanted["name"]) <= 120:
        faults["name"] = f"has {len(wanted['name'])} characters, 1 to 120 are allowed"
    if "kind" in wanted and kind not in TaskKind.values:
        faults["kind"] = f'"{kind}" is not one of {", ".join(TaskKind.values)}'
    if "cohorts" in wanted:
        cohorts = set(wanted["cohorts"])
        if not cohorts or not cohorts <= set(Cohort.values):
            faults["cohorts"] = f"must be some of {', '.join(Cohort.values)}"
        elif Cohort.HELD_OUT in cohorts and not (kind in TaskKind.values and TaskKind(kind).is_evaluation):
            faults["cohorts"] = "held-out labelers never produce training data, only final evaluations"
    if "shared_fraction" in wanted and not 0.0 <= wanted["shared_fraction"] <= 1.0:
        faults["shared_fraction"] = f"is {wanted['shared_fraction']}, must be 0 to 1"
    return faults


def overlaps_of(batch: Batch) -> dict[str, int]:
    """Return how many labelers a batch wants on tasks of the shared pool, and on single ones."""
    return {"shared": batch.overlap, "single": int(batch.settings.get("single_overlap", 1))}


def add_writing_tasks(*, batch: Batch, prompts: Iterable[Prompt]) -> int:
    """Add a demonstration task for each prompt; returns how many. Raises Conflict unless a draft."""
    _ensure_draft(batch)
    if not TaskKind(batch.kind).has_prompt:
        raise InvalidInput("The prompts of this batch are written by its labelers: add tasks without one.")
    if TaskKind(batch.kind).is_ranked:
        raise InvalidInput(f"A {batch.kind} batch needs responses: add ranked tasks to it.")
    shared = _SharedPool(batch)
    added = 0
    pending: list[Task] = []
    for prompt in prompts:
        is_shared = shared.takes_next()
        pending.append(
            Task(batch=batch, prompt=prompt, is_shared=is_shared, overlap=batch.overlap if is_shared else 1)
        )
        if len(pending) == ROWS_AT_ONCE:
            added += len(Task.objects.bulk_create(pending))
            pending = []
    return added + len(Task.objects.bulk_create(pending))


def add_ranked_task(*, batch: Batch, prompt: Prompt, responses: Sequence[Response]) -> Task:
    """Add one comparison of K responses to a prompt. Raises InvalidInput, or Conflict unless a draft."""
    return add_ranked_tasks(batch=batch, items=[(prompt, responses)])[0]


@transaction.atomic
def add_ranked_tasks(*, batch: Batch, items: Iterable[tuple[Prompt, Sequence[Response]]]) -> list[Task]:
    """Add many comparisons at once; all or none go in."""
    _ensure_draft(batch)
    if not TaskKind(batch.kind).is_ranked:
        raise InvalidInput(f"A {batch.kind} batch has no responses to rank: add writing tasks to it.")
    shared = _SharedPool(batch)
    chosen = list(items)
    tasks = []
    for prompt, responses in chosen:
        _check_responses(prompt, responses)
        is_shared = shared.takes_next()
        tasks.append(
            Task(batch=batch, prompt=prompt, is_shared=is_shared, overlap=batch.overlap if is_shared else 1)
        )
    tasks = Task.objects.bulk_create(tasks, batch_size=ROWS_AT_ONCE)
    Candidate.objects.bulk_create(
        (
            Candidate(task=task, response=response, position=position)
            for task, (_, responses) in zip(tasks, chosen, strict=True)
            for position, response in enumerate(responses)
        ),
        batch_size=ROWS_AT_ONCE,
    )
    return tasks


@transaction.atomic
def open_batch(*, batch: Batch, by: User | None = None) -> Batch:
    """Make a slot for each labeler wanted on each task, and let people claim them.

    Slots of a task stand side by side in a random order of tasks, so that overlap completes early.
    Raises InvalidInput if there is no task, Conflict unless the batch is a draft.
    """
    if by is not None:
        ensure(by, Action.MANAGE_BATCHES)
    changed = Batch.objects.filter(pk=batch.pk, status=Batch.Status.DRAFT).update(
        status=Batch.Status.OPEN, opened_at=timezone.now()
    )
    if changed != 1:
        raise Conflict(f'Batch "{batch}" is not a draft, so it cannot be opened.', code="batch_not_draft")
    batch.refresh_from_db()
    slots = slot_rows.add_missing_slots(batch)
    if not slots:
        raise InvalidInput(f'Batch "{batch}" has no tasks; add some before opening it.')
    audit.record(actor=by, action="open_batch", obj=batch, slots=slots)
    return batch


@transaction.atomic
def close_batch(*, batch: Batch, by: User | None = None) -> Batch:
    """Withdraw the slots nobody has claimed. What people hold they may still submit.

    Raises Conflict unless the batch is open.
    """
    if by is not None:
        ensure(by, Action.MANAGE_BATCHES)
    changed = Batch.objects.filter(pk=batch.pk, status=Batch.Status.OPEN).update(
        status=Batch.Status.CLOSED, closed_at=timezone.now()
    )
    if changed != 1:
        raise Conflict(f'Batch "{batch}" is not open, so it cannot be closed.', code="batch_not_open")
    withdrawn = slot_rows.withdraw_open_slots(batch)
    audit.record(actor=by, action="close_batch", obj=batch, withdrawn=withdrawn)
    batch.refresh_from_db()
    return batch


def batch_progress(batch: Batch) -> BatchProgress:
    """Count a batch's tasks, wanted labels and slots by state, in three queries."""
    tasks = batch.tasks.aggregate(tasks=Count("pk"), wanted=Sum("overlap"))
    states = dict(
        batch.assignments.order_by().values_list("state").annotate(n=Count("pk")).values_list("state", "n")
    )
    surplus = Receipt.objects.filter(Q(assignment__batch=batch), is_surplus=True, revision=1).count()
    state = Assignment.State
    return BatchProgress(
        tasks=tasks["tasks"],
        wanted=tasks["wanted"] or 0,
        submitted=states.get(state.SUBMITTED, 0) - surplus,
        leased=states.get(state.LEASED, 0),
        open=states.get(state.OPEN, 0),
        skipped=states.get(state.SKIPPED, 0),
        surplus=surplus,
    )


class _SharedPool:
    """Spreads the shared pool evenly over a batch's tasks: after n of them, n * fraction are shared."""

    def __init__(self, batch: Batch) -> None:
        self.fraction = batch.shared_fraction
        self.seen = batch.tasks.count()

    def takes_next(self) -> bool:
        before, self.seen = self.seen, self.seen + 1
        return int(self.seen * self.fraction + 1e-9) > int(before * self.fraction + 1e-9)


def _ensure_draft(batch: Batch) -> None:
    if batch.status != Batch.Status.DRAFT:
        raise Conflict(
            f'Batch "{batch}" is {batch.status}; tasks can be added only to a draft.', code="batch_not_draft"
        )


def _check_responses(prompt: Prompt, responses: Sequence[Response]) -> None:
    if not MIN_K <= len(responses) <= MAX_K:
        raise InvalidInput(
            f"A comparison has {MIN_K} to {MAX_K} responses; {len(responses)} were given for {prompt.code}.",
            fields={"responses": f"{len(responses)} given"},
        )
    if len({response.pk for response in responses}) != len(responses):
        raise InvalidInput(f"A response stands twice among those for prompt {prompt.code}.")
    if any(response.prompt_id != prompt.pk for response in responses):
        raise InvalidInput(f"A response given for prompt {prompt.code} answers another prompt.")
