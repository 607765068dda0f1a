"""Single tasks given to one labeler by name: leased for them before they ask, and kept until a day.

Who may have a task is what claiming goes by (`labeling.rules.eligibility`); being given one opens no door.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput
from labeling.models import Assignment, Batch, Labeler, Task, User
from labeling.rules import audit, claims, eligibility, slots
from labeling.rules.access import Action, ensure

MAX_TASKS_AT_ONCE = 100
MAX_DAYS = 30


@dataclass(frozen=True)
class Given:
    """What became of tasks: how many the labeler now holds, how many stay where they were, until when."""

    given: int
    left: int
    until: datetime


@transaction.atomic
def give_tasks(*, tasks: Collection[Task], labeler: Labeler, days: int, by: User) -> Given:
    """Lease an open slot of each task for a labeler; it is theirs for so many days, then anybody's again.

    Left are tasks without an open slot, ones they have seen, in a language that is not theirs or that they
    asked not to be shown, and what exceeds the cap of the batch.
    Raises InvalidInput for no tasks, too many, tasks of several batches or a wrong number of days,
    NotPermitted for a labeler who may take no work of this kind, Conflict where the batch is not open to
    them or they have a changed guideline to read.
    """
    ensure(by, Action.MANAGE_BATCHES)
    batch = _batch_of(tasks)
    if not 1 <= days <= MAX_DAYS:
        raise InvalidInput(
            f"Tasks are kept for 1 to {MAX_DAYS} days; this is {days}.", fields={"days": f"1 to {MAX_DAYS}"}
        )
    locked = Labeler.objects.select_for_update(of=("self",), no_key=True).get(pk=labeler.pk)
    eligibility.ensure_may_claim(locked, batch.kind)
    _ensure_open_to(locked, batch)
    until = timezone.now() + timedelta(days=days)
    wanted = [task.pk for task in tasks]
    limits = eligibility.limits_of(locked)
    suiting = eligibility.open_slots(locked, batch.kind, [batch], limits=limits).filter(task__in=wanted)
    first_slots = {slot.task_id: slot.pk for slot in suiting.order_by("-shuffle_key", "-pk")}
    most = eligibility.tasks_left(locked, batch)
    in_order = [first_slots[task] for task in wanted if task in first_slots][:most]
    given = [pk for pk in in_order if claims.lease_slot(pk, labeler=locked, batch=batch)]
    Assignment.objects.filter(pk__in=given).update(given_until=until, lease_expires_at=until)
    audit.record(
        actor=by, action="give_tasks", obj=batch, labeler=str(locked.code), given=len(given), days=days
    )
    return Given(given=len(given), left=len(wanted) - len(given), until=until)


@transaction.atomic
def take_back(*, assignment: Assignment, by: User) -> None:
    """Open a task that was given for everybody again. Raises Conflict once its labeler has begun it."""
    ensure(by, Action.MANAGE_BATCHES)
    labeler = assignment.labeler
    given = Assignment.objects.filter(pk=assignment.pk, given_until__isnull=False)
    if labeler is None or not slots.open_untouched(given):
        raise Conflict("Its labeler has begun this task or no longer holds it; nothing was taken back.")
    audit.record(actor=by, action="take_back_task", obj=assignment.batch, labeler=str(labeler.code))


def labelers_to_give_to(batch: Batch) -> QuerySet[Labeler]:
    """Return who could be given tasks of a batch: active, qualified, of its cohorts; by pseudonym."""
    active = Labeler.objects.filter(
        status=Labeler.Status.ACTIVE, cohort__in=batch.cohorts, is_external=False, is_simulated=False
    )
    qualified = active.filter(qualifications__kind=batch.kind, qualifications__revoked_at=None)
    return qualified.distinct().order_by("pseudonym")


def _batch_of(tasks: Collection[Task]) -> Batch:
    batches = {task.batch_id for task in tasks}
    if not 1 <= len(tasks) <= MAX_TASKS_AT_ONCE or len(batches) != 1:
        raise InvalidInput(
            f"Choose 1 to {MAX_TASKS_AT_ONCE} tasks of one batch; these are {len(tasks)}.",
            fields={"tasks": "none, too many, or of several batches"},
        )
    return Batch.objects.select_related("guideline").get(pk=batches.pop())


def _ensure_open_to(labeler: Labeler, batch: Batch) -> None:
    if batch.pk not in {each.pk for each in eligibility.eligible_batches(labeler, batch.kind)}:
        raise Conflict(
            f'"{batch}" has nothing for {labeler.pseudonym}: it must be open, its deadline ahead, for the '
            f"cohort {labeler.cohort}, and its cap for one labeler not reached.",
            code="batch_not_for_them",
        )
    unread = eligibility.guideline_to_read(labeler, batch.kind, [batch])
    if unread is not None:
        raise Conflict(
            f"{labeler.pseudonym} has not read version {unread.version} of the guideline yet; tasks can be "
            "given after that.",
            code="guideline_changed",
        )
