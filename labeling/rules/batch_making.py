"""A batch made in one go: its rules, its tasks drawn, its anchors; all of it or nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from labeling.errors import InvalidInput
from labeling.models import AnchorSet, Batch, PromptKind, TaskKind, UseCase, User
from labeling.rules import batches, selection, written_prompts
from labeling.rules.selection import Choice
from labeling.rules.texts import counted


@dataclass(frozen=True)
class Anchoring:
    """Which anchors a batch holds, and how many labelers see each."""

    anchor_set: AnchorSet
    overlap: int = 2


@dataclass(frozen=True)
class Writing:
    """What prompt writing asks for: the sort of prompt, for user-based ones about which use cases."""

    prompt_kind: str = PromptKind.PLAIN
    use_cases: tuple[UseCase, ...] = ()


@transaction.atomic
def make_batch(
    *,
    rules: Mapping[str, Any],
    choice: Choice,
    count: int,
    seed: int | None = None,
    anchoring: Anchoring | None = None,
    writing: Writing | None = None,
    by: User | None = None,
) -> Batch:
    """Make a draft batch with `count` tasks drawn as `choice` says; `rules` are those of `create_batch`.

    Raises InvalidInput where fewer prompts match than are wanted, and what the steps raise.
    """
    batch = batches.create_batch(**rules, by=by)
    if not TaskKind(batch.kind).has_prompt:
        writing = writing or Writing()
        written_prompts.add_prompt_tasks(
            batch=batch, count=count, use_cases=writing.use_cases, prompt_kind=writing.prompt_kind
        )
    else:
        drawn = selection.fill_batch(batch=batch, choice=choice, count=count, seed=seed)
        if drawn < count:
            is_ranked = TaskKind(batch.kind).is_ranked
            message = shortage(drawn, is_ranked=is_ranked, k=choice.k)
            raise InvalidInput(message, fields={"count": message})
    if anchoring is not None:
        batches.add_anchor_tasks(batch=batch, anchor_set=anchoring.anchor_set, overlap=anchoring.overlap)
        anchors = {"set": anchoring.anchor_set.pk, "overlap": anchoring.overlap}
        batch.settings = {**batch.settings, "anchors": anchors}
        batch.save(update_fields=["settings"])
    return batch


def shortage(matching: int, *, is_ranked: bool, k: int) -> str:
    """Say honestly how many prompts there are."""
    only = (
        "No prompt matches"
        if matching == 0
        else f"Only {matching} prompt{'s match' if matching > 1 else ' matches'}"
    )
    needed = f" and has {k} responses by these policies" if is_ranked else ""
    if is_ranked and matching > 1:
        needed = f" and have {k} responses by these policies"
    return f"{only}{needed}; {'change the filters' if matching == 0 else f'ask for {matching} or fewer'}."


def plan_in_words(*, tasks: int, shared_fraction: float, overlap: int, anchors: Sequence[int] = ()) -> str:
    """Say how many labels a batch wants and from which tasks; `anchors` has the overlap of each anchor."""
    shared = batches.shared_count(tasks, shared_fraction)
    labels = shared * overlap + (tasks - shared) + sum(anchors)
    sentence = f"{counted(tasks, 'task')}, {counted(labels, 'label')}"
    if shared and overlap > 1:
        sentence += f": {shared} shared by {overlap} labelers, {tasks - shared} labeled once"
    if anchors:
        sentence += f", {counted(len(anchors), 'anchor')}"
    return f"{sentence}."
