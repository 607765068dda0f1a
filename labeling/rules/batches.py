"""Batches: made, filled with tasks, opened as slots, watched, closed."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import CharField, Count, F, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import (
    MAX_K,
    MIN_K,
    Assignment,
    Batch,
    Cohort,
    Form,
    Guideline,
    Policy,
    Receipt,
    Task,
    TaskKind,
    User,
    WebhookEvent,
)
from labeling.rules import audit, guidelines, listings, slot_rows, webhooks
from labeling.rules.access import Action, ensure
from labeling.rules.batch_tasks import (
    add_anchor_tasks,
    add_chosen_tasks,
    add_ranked_task,
    add_ranked_tasks,
    add_writing_tasks,
    overlaps_of,
    shared_count,
)
from labeling.rules.texts import check_text

__all__ = [
    "BatchProgress",
    "add_anchor_tasks",
    "add_chosen_tasks",
    "add_ranked_task",
    "add_ranked_tasks",
    "add_writing_tasks",
    "batch_progress",
    "close_batch",
    "create_batch",
    "faults_in_rules",
    "open_batch",
    "overlaps_of",
    "progress_of_batches",
    "shared_count",
]

MAX_OVERLAP = 20
MAX_LABELER_CAP = 1_000_000


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
    labeler_cap: int | None = None,
    deadline_at: datetime | None = None,
    guideline: Guideline | None = None,
    form: Form | None = None,
    reads_first: bool = False,
    settings: Mapping[str, Any] | None = None,
    code: UUID | None = None,
) -> Batch:
    """Make a draft batch, under the current guideline and form of its kind unless others are given.

    `reads_first` has labelers read the responses before they see the prompt (`labeling.rules.readings`).
    Who may ask twice gives the `code` that the batch is to have. Raises InvalidInput naming every field that
    does not fit: held-out labelers take only final evaluations; Conflict where a batch has the code.
    """
    if by is not None:
        ensure(by, Action.MANAGE_BATCHES)
    rules = {
        "name": check_text(name, field="name").strip(),
        "cohorts": sorted(set(cohorts)),
        "k": k,
        "overlap": overlap,
        "shared_fraction": shared_fraction,
        "priority": priority,
        "lease_seconds": lease_seconds,
        "labeler_cap": labeler_cap,
    }
    _ensure_possible(kind, {**rules, "reads_first": reads_first}, guideline, form)
    guidelines.ensure_defaults()
    with transaction.atomic():
        batch, is_new = Batch.objects.get_or_create(
            code=code or uuid4(),
            defaults={
                **rules,
                "kind": kind,
                "guideline": guideline or guidelines.current_guideline(kind),
                "form": form or guidelines.current_form(kind),
                "baseline": baseline,
                "deadline_at": deadline_at,
                "settings": {**(settings or {}), **({"reads_first": True} if reads_first else {})},
                "created_by": by,
            },
        )
        if not is_new:
            raise Conflict(f'"{batch}" is made already; nothing was made twice.', code="batch_made")
        audit.record(actor=by, action="create_batch", obj=batch, kind=kind, overlap=overlap)
    return batch


def _ensure_possible(
    kind: str, rules: Mapping[str, Any], guideline: Guideline | None, form: Form | None
) -> None:
    faults = faults_in_rules(kind, {"kind": kind, **rules})
    for field, version in (("guideline", guideline), ("form", form)):
        if version is not None and version.kind != kind:
            faults[field] = f"is for {version.kind} tasks"
    if faults:
        sentence = "; ".join(f"{field} {fault}" for field, fault in faults.items())
        raise InvalidInput(f"This batch cannot be made: {sentence}.", fields=faults)


def faults_in_rules(kind: str, wanted: Mapping[str, Any]) -> dict[str, str]:
    """Say what is wrong with the rules of a batch of a kind, by field; only what is named is looked at."""
    faults: dict[str, str] = {}
    limits = {
        "k": (TaskKind(kind).least_responses if kind in TaskKind.values else MIN_K, MAX_K),
        "overlap": (1, MAX_OVERLAP),
        "lease_seconds": (60, 86_400),
        "priority": (-1000, 1000),
        "labeler_cap": (1, MAX_LABELER_CAP),
    }
    for field, (low, high) in limits.items():
        if wanted.get(field) is not None and not low <= wanted[field] <= high:
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
    if wanted.get("reads_first") and kind in TaskKind.values and not TaskKind(kind).may_read_first:
        kinds = ", ".join(each.value for each in TaskKind if each.may_read_first)
        faults["reads_first"] = f"is for tasks whose responses answer a prompt ({kinds}), not for {kind}"
    if "shared_fraction" in wanted and not 0.0 <= wanted["shared_fraction"] <= 1.0:
        faults["shared_fraction"] = f"is {wanted['shared_fraction']}, must be 0 to 1"
    return faults


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

    Raises Conflict unless the batch is open or paused.
    """
    if by is not None:
        ensure(by, Action.MANAGE_BATCHES)
    changed = (
        Batch.objects.running()
        .filter(pk=batch.pk)
        .update(status=Batch.Status.CLOSED, closed_at=timezone.now())
    )
    if changed != 1:
        raise Conflict(f'Batch "{batch}" is not open, so it cannot be closed.', code="batch_not_open")
    withdrawn = slot_rows.withdraw_open_slots(batch)
    audit.record(actor=by, action="close_batch", obj=batch, withdrawn=withdrawn)
    batch.refresh_from_db()
    webhooks.emit(
        WebhookEvent.BATCH_CLOSED,
        subject=f"{batch.code}:{batch.closed_at}",
        data={"batch": str(batch.code), "kind": batch.kind, "name": batch.name},
    )
    return batch


def batch_progress(batch: Batch) -> BatchProgress:
    """Count a batch's tasks, wanted labels and slots by state, in one query."""
    return progress_of_batches([batch])[batch.pk]


def progress_of_batches(batches: Collection[Batch]) -> dict[int, BatchProgress]:
    """Count the same for several batches in one query; returns it by primary key.

    An imported batch takes a query more, for the labels that came with it.
    """
    keys = [batch.pk for batch in batches]
    tasks = Task.objects.filter(batch__in=keys).order_by().values("batch")
    slots = Assignment.objects.filter(batch__in=keys).order_by().values("batch", "state")
    late = Receipt.objects.filter(assignment__batch__in=keys, is_surplus=True, withdrawn_at=None)
    columns = ("what", "count", "wanted")
    counted = tasks.annotate(
        what=_word("tasks"), count=Count("pk"), wanted=Coalesce(Sum("overlap"), 0)
    ).values_list("batch", *columns)
    by_state = slots.annotate(what=F("state"), count=Count("pk"), wanted=Value(0)).values_list(
        "batch", *columns
    )
    surplus = (
        late.order_by()
        .values("assignment__batch")
        .annotate(what=_word("surplus"), count=Count("assignment", distinct=True), wanted=Value(0))
        .values_list("assignment__batch", *columns)
    )
    found: dict[tuple[int, str], int] = defaultdict(int)
    for batch, what, count, wanted in counted.union(by_state, surplus, all=True):
        found[batch, what] = count
        found[batch, "wanted"] += wanted
    imported = {batch.pk: listings.imported_labels(batch).count() for batch in batches if batch.is_import}
    state = Assignment.State
    return {
        key: BatchProgress(
            tasks=found[key, "tasks"],
            wanted=found[key, "wanted"],
            submitted=imported.get(key, found[key, state.SUBMITTED] - found[key, "surplus"]),
            leased=found[key, state.LEASED],
            open=found[key, state.OPEN],
            skipped=found[key, state.SKIPPED],
            surplus=found[key, "surplus"],
        )
        for key in keys
    }


def _word(word: str) -> Value:
    return Value(word, output_field=CharField())
