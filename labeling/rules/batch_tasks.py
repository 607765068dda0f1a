"""The tasks of a batch: added with or without responses, some of them shared by several labelers."""

from collections.abc import Iterable, Sequence
from itertools import islice

from django.db import transaction

from labeling.errors import Conflict, InvalidInput
from labeling.models import (
    MAX_K,
    Anchor,
    AnchorSet,
    Batch,
    Candidate,
    Prompt,
    Response,
    Task,
    TaskKind,
    User,
)
from labeling.rules import audit
from labeling.rules.access import Action, ensure

ROWS_AT_ONCE = 2000


def overlaps_of(batch: Batch) -> dict[str, int]:
    """Return how many labelers a batch wants on tasks of the shared pool, and on single ones."""
    return {"shared": batch.overlap, "single": int(batch.settings.get("single_overlap", 1))}


def shared_count(tasks: int, fraction: float) -> int:
    """Return how many of so many tasks form the shared pool: at least one wherever there is to be a pool."""
    return 0 if tasks < 1 or fraction <= 0 else max(1, int(tasks * fraction + 1e-9))


def add_writing_tasks(*, batch: Batch, prompts: Iterable[Prompt], while_running: bool = False) -> int:
    """Add a demonstration task for each prompt; returns how many.

    Raises Conflict unless the batch is a draft, or runs and that is meant: then it needs slots next.
    """
    _ensure_takes_tasks(batch, while_running)
    if not TaskKind(batch.kind).has_prompt:
        raise InvalidInput("The prompts of this batch are written by its labelers: add tasks without one.")
    if TaskKind(batch.kind).is_ranked:
        raise InvalidInput(f"A {batch.kind} batch needs responses: add ranked tasks to it.")
    shared = _SharedPool(batch)
    rows = (shared.next_task(prompt) for prompt in prompts)
    added = 0
    while chunk := list(islice(rows, ROWS_AT_ONCE)):
        added += len(Task.objects.bulk_create(chunk))
    return added


@transaction.atomic
def add_chosen_tasks(
    *,
    batch: Batch,
    prompts: Sequence[Prompt] = (),
    comparisons: Sequence[tuple[Prompt, Sequence[Response]]] = (),
    by: User,
) -> int:
    """Add tasks that somebody chose one by one, as the interface lets programs do; returns how many."""
    ensure(by, Action.MANAGE_BATCHES)
    added = add_writing_tasks(batch=batch, prompts=prompts) if prompts else 0
    if comparisons:
        added += len(add_ranked_tasks(batch=batch, items=comparisons))
    audit.record(actor=by, action="add_tasks", obj=batch, tasks=added)
    return added


def add_ranked_task(*, batch: Batch, prompt: Prompt, responses: Sequence[Response]) -> Task:
    """Add one comparison of K responses to a prompt. Raises InvalidInput, or Conflict unless a draft."""
    return add_ranked_tasks(batch=batch, items=[(prompt, responses)])[0]


@transaction.atomic
def add_ranked_tasks(
    *, batch: Batch, items: Iterable[tuple[Prompt, Sequence[Response]]], while_running: bool = False
) -> list[Task]:
    """Add many comparisons at once; all or none go in."""
    _ensure_takes_tasks(batch, while_running)
    if not TaskKind(batch.kind).is_ranked:
        raise InvalidInput(f"A {batch.kind} batch has no responses to rank: add writing tasks to it.")
    shared = _SharedPool(batch)
    chosen = list(items)
    tasks = []
    for prompt, responses in chosen:
        _check_responses(prompt, responses, TaskKind(batch.kind).least_responses)
        tasks.append(shared.next_task(prompt))
    return _with_candidates(tasks, [responses for _, responses in chosen])


@transaction.atomic
def add_anchor_tasks(*, batch: Batch, anchor_set: AnchorSet, overlap: int) -> list[Task]:
    """Add a task for each anchor of a set, wanted from `overlap` labelers; nothing shows that it is one.

    Raises InvalidInput where the set is for another kind, is retired or empty; Conflict unless a draft.
    """
    _ensure_takes_tasks(batch, while_running=False)
    if anchor_set.kind != batch.kind:
        raise InvalidInput(
            f'The anchors "{anchor_set}" are for {anchor_set.kind} batches, this one is for {batch.kind}.',
            fields={"anchor_set": "another kind"},
        )
    anchors = list(Anchor.objects.filter(anchor_set=anchor_set).prefetch_related("places__response"))
    if anchor_set.retired_at is not None or not anchors:
        raise InvalidInput(
            f'The anchors "{anchor_set}" are retired or have no comparison yet.',
            fields={"anchor_set": "retired or empty"},
        )
    tasks = [
        Task(batch=batch, prompt_id=anchor.prompt_id, is_anchor=True, anchor=anchor, overlap=overlap)
        for anchor in anchors
    ]
    return _with_candidates(tasks, [[place.response for place in anchor.places.all()] for anchor in anchors])


def _with_candidates(tasks: list[Task], responses: Sequence[Sequence[Response]]) -> list[Task]:
    tasks = Task.objects.bulk_create(tasks, batch_size=ROWS_AT_ONCE)
    Candidate.objects.bulk_create(
        (
            Candidate(task=task, response=response, position=position)
            for task, chosen in zip(tasks, responses, strict=True)
            for position, response in enumerate(chosen)
        ),
        batch_size=ROWS_AT_ONCE,
    )
    return tasks


class _SharedPool:
    """Spreads the shared pool evenly over a batch's tasks, beginning with the first."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.overlaps = overlaps_of(batch)
        self.seen = batch.tasks.filter(is_anchor=False).count()

    def next_task(self, prompt: Prompt) -> Task:
        before, self.seen = self.seen, self.seen + 1
        fraction = self.batch.shared_fraction
        is_shared = shared_count(self.seen, fraction) > shared_count(before, fraction)
        overlap = self.overlaps["shared" if is_shared else "single"]
        return Task(batch=self.batch, prompt=prompt, is_shared=is_shared, overlap=overlap)


def _ensure_takes_tasks(batch: Batch, while_running: bool) -> None:
    running = (Batch.Status.OPEN, Batch.Status.PAUSED)
    if batch.status == Batch.Status.DRAFT or (while_running and batch.status in running):
        return
    raise Conflict(
        f'Batch "{batch}" is {batch.status}; tasks can be added only to a draft.', code="batch_not_draft"
    )


def _check_responses(prompt: Prompt, responses: Sequence[Response], least: int) -> None:
    if not least <= len(responses) <= MAX_K:
        raise InvalidInput(
            f"A comparison has {least} to {MAX_K} responses; {len(responses)} were given for {prompt.code}.",
            fields={"responses": f"{len(responses)} given"},
        )
    if len({response.pk for response in responses}) != len(responses):
        raise InvalidInput(f"A response stands twice among those for prompt {prompt.code}.")
    if any(response.prompt_id != prompt.pk for response in responses):
        raise InvalidInput(f"A response given for prompt {prompt.code} answers another prompt.")
