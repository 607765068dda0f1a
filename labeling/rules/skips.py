"""Where a skipped task goes: the reason decides, and managers see it.

unclear    to the end of the queue, and counted for the manager
expertise  to another labeler, at the place it had
broken     to the researchers' list; after BROKEN_SKIPS of them it is set aside and no longer served
harmful    to somebody who has not opted out of distressing material
"""

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Max, Q, QuerySet
from django.utils import timezone

from labeling.errors import Conflict
from labeling.models import Assignment, Batch, Labeler, Receipt, Skip, Task, User
from labeling.rules import audit, slots
from labeling.rules.access import Action, ensure

State = Assignment.State
Reason = Skip.Reason
HARMFUL_BEFORE_ADVICE = 3


def route(skip: Skip, *, needs_slot: bool) -> None:
    """Send a task on after a skip; `needs_slot` unless a fresh slot stands there already."""
    slot = skip.assignment
    if skip.reason == Reason.BROKEN and _is_broken(slot.task):
        set_aside(slot.task)
    elif needs_slot:
        slots.add_replacements([slot], at_the_end=skip.reason == Reason.UNCLEAR)


def set_aside(task: Task) -> None:
    """Serve a task no longer: its open slots are withdrawn. What people hold they may still submit."""
    now = timezone.now()
    Task.objects.filter(pk=task.pk, set_aside_at=None).update(set_aside_at=now)
    Assignment.objects.open().filter(task=task).update(state=State.WITHDRAWN, finished_at=now)


@transaction.atomic
def put_back(*, task: Task, by: User) -> int:
    """Serve a task again that was set aside; returns how many slots it got.

    In a batch that is not running it gets none yet: opening or reopening the batch makes them. Raises
    Conflict unless it is set aside.
    """
    ensure(by, Action.MANAGE_BATCHES)
    if Task.objects.filter(pk=task.pk, set_aside_at__isnull=False).update(set_aside_at=None) != 1:
        raise Conflict("This task is not set aside: it is served as it is.", code="not_set_aside")
    task.refresh_from_db()
    busy = task.assignments.filter(state__in=(State.OPEN, State.LEASED, State.SUBMITTED))
    surplus = Receipt.objects.filter(assignment__task=task, is_surplus=True, withdrawn_at=None)
    missing = task.overlap - busy.count() + surplus.values("assignment").distinct().count()
    last = task.assignments.order_by("-pk").first()
    made = slots.add_replacements([last] * missing) if last is not None and missing > 0 else 0
    audit.record(actor=by, action="put_back_task", obj=task, slots=made)
    return made


def skipped_tasks(*, reason: str = "", batch: Batch | None = None) -> QuerySet[Task]:
    """Tasks that were skipped, those set aside first, with how often for each reason (`unclear`, …)."""
    chosen = Q(assignments__skip__isnull=False)
    if reason in Reason.values:
        chosen &= Q(assignments__skip__reason=reason)
    found = Task.objects.filter(chosen)
    if batch is not None:
        found = found.filter(batch=batch)
    counts = {
        value: Count("assignments", filter=Q(assignments__skip__reason=value), distinct=True)
        for value in Reason.values
    }
    tasks = Task.objects.filter(pk__in=found.values("pk")).select_related("prompt", "use_case", "batch")
    return tasks.annotate(
        **counts,
        skips=Count("assignments", filter=Q(assignments__skip__isnull=False), distinct=True),
        last_skip_at=Max("assignments__skip__created_at"),
    ).order_by(F("set_aside_at").desc(nulls_last=True), "-last_skip_at", "pk")


def harmful_skips(labeler: Labeler) -> int:
    """Count what a labeler passed on as harmful to read."""
    return Skip.objects.filter(assignment__labeler=labeler, reason=Reason.HARMFUL).count()


def should_offer_opt_out(labeler: Labeler) -> bool:
    """Return whether the labeler has met enough harm that opting out should be offered to them."""
    return harmful_skips(labeler) >= HARMFUL_BEFORE_ADVICE


def skip_rate(labeler: Labeler) -> float | None:
    """Return the share of finished tasks that a labeler skipped, None before the first."""
    done = labeler.assignments.filter(state__in=(State.SUBMITTED, State.SKIPPED))
    counts = done.aggregate(all=Count("pk"), skipped=Count("pk", filter=Q(state=State.SKIPPED)))
    return counts["skipped"] / counts["all"] if counts["all"] else None


def _is_broken(task: Task) -> bool:
    """Every BROKEN_SKIPS-th such skip sets the task aside, so that one put back is tried again."""
    found = Skip.objects.filter(assignment__task=task, reason=Reason.BROKEN).count()
    return found % settings.BROKEN_SKIPS == 0
