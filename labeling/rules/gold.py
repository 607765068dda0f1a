"""Gold: a researcher's reference order for a task, and how a labeler's ranking meets it.

A task with gold is served like any other; nothing a labeler receives says that it has one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import GoldAnswer, Task, TaskKind, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.judgements import Judgement, check_judgements
from labeling.rules.texts import check_text

MAX_REASON_CHARACTERS = 4000


@dataclass(frozen=True)
class GoldResult:
    """How a ranking meets the reference: pairs ordered in both, and those ordered alike."""

    pairs: int
    alike: int

    @property
    def fraction(self) -> float | None:
        return self.alike / self.pairs if self.pairs else None


@transaction.atomic
def mark_gold(*, task: Task, judgements: Sequence[Judgement], reason: str, by: User) -> GoldAnswer:
    """Give a ranked task a reference order with its reason; an earlier one is withdrawn.

    Raises IncompleteRanking for responses missing or foreign, InvalidInput without a reason or for an order
    that ties everything, Conflict for a task without responses.
    """
    ensure(by, Action.JUDGE)
    locked = Task.objects.select_for_update(of=("self",)).select_related("batch").get(pk=task.pk)
    if not TaskKind(locked.batch.kind).is_ranked:
        raise Conflict(
            "Only a task whose responses are ranked can have a reference order.", code="not_ranked"
        )
    reason = check_reason(reason)
    check_judgements(locked, judgements, needs_likert=False, max_rank=locked.candidates.count())
    if len({judgement.rank for judgement in judgements}) < 2:
        raise InvalidInput(
            "A reference that ties every response tells nothing apart.", fields={"ranks": "all tied"}
        )
    GoldAnswer.objects.current().filter(task=locked).update(withdrawn_at=timezone.now())
    gold = GoldAnswer.objects.create(
        task=locked, judgements=[judgement.as_payload() for judgement in judgements], reason=reason, by=by
    )
    audit.record(actor=by, action="mark_gold", obj=locked, reason=reason)
    return gold


@transaction.atomic
def withdraw_gold(*, gold: GoldAnswer, by: User) -> None:
    """Make a task an ordinary one again. Raises Conflict if that was done already."""
    ensure(by, Action.JUDGE)
    if GoldAnswer.objects.current().filter(pk=gold.pk).update(withdrawn_at=timezone.now()) != 1:
        raise Conflict("This reference was withdrawn or replaced already.", code="gold_withdrawn")
    audit.record(actor=by, action="withdraw_gold", obj=gold.task)


def tasks_with_gold() -> QuerySet[GoldAnswer]:
    """Return the references that count, newest first, with task, prompt and batch."""
    return GoldAnswer.objects.current().select_related("task__prompt", "task__batch", "by")


def compare_ranks(mine: Mapping[str, int], theirs: Mapping[str, int]) -> GoldResult:
    """Count the pairs that both orders tell apart, and those they order alike."""
    both = [
        (mine[a] < mine[b]) == (theirs[a] < theirs[b])
        for a, b in combinations(sorted(mine.keys() & theirs.keys()), 2)
        if mine[a] != mine[b] and theirs[a] != theirs[b]
    ]
    return GoldResult(len(both), sum(both))


def check_reason(reason: str) -> str:
    """Return a reason that stands for people to read. Raises InvalidInput for none or one too long."""
    reason = check_text(reason, field="reason").strip()
    if not 1 <= len(reason) <= MAX_REASON_CHARACTERS:
        raise InvalidInput(
            f"A reason has 1 to {MAX_REASON_CHARACTERS} characters, this one has {len(reason)}.",
            fields={"reason": "length"},
        )
    return reason
