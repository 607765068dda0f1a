"""Who skips so much that a manager should ask why. It is shown, and nothing follows by itself.

WebGPT took a flag away because labelers overused it (Nakano et al. 2021). A share above what managers set is
shown to them and to the labeler; nobody is paused, paid less or dropped for it.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, F, FloatField, Q, QuerySet
from django.db.models.functions import Cast

from labeling.errors import Conflict, InvalidInput
from labeling.models import Assignment, Labeler, Skip, SkipAttention, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure

State = Assignment.State
DEFAULT_PERCENT, DEFAULT_LEAST_TASKS = 20, 20
MAX_LEAST_TASKS = 10_000


@dataclass(frozen=True)
class Threshold:
    """From which share of how many finished tasks on skips deserve attention."""

    percent: int
    least_tasks: int

    def is_passed(self, skipped: int, finished: int) -> bool:
        """Return whether so many skips among so many finished tasks deserve attention."""
        return finished >= self.least_tasks and 100 * skipped > self.percent * finished


def current_threshold() -> Threshold:
    """Return the threshold in force."""
    newest = SkipAttention.objects.order_by("-id").values_list("percent", "least_tasks").first()
    return Threshold(*newest) if newest else Threshold(DEFAULT_PERCENT, DEFAULT_LEAST_TASKS)


@transaction.atomic
def change_threshold(*, percent: int, least_tasks: int, by: User) -> SkipAttention:
    """Set another threshold. Raises InvalidInput for one that cannot be, Conflict if it holds already."""
    ensure(by, Action.MANAGE_LABELERS)
    faults = {
        name: f"is {value}, must be {low} to {high}"
        for name, value, low, high in (
            ("percent", percent, 1, 100),
            ("least_tasks", least_tasks, 1, MAX_LEAST_TASKS),
        )
        if not low <= value <= high
    }
    if faults:
        raise InvalidInput("; ".join(f"{name} {fault}" for name, fault in faults.items()), fields=faults)
    before = current_threshold()
    if before == Threshold(percent, least_tasks):
        raise Conflict("This is the threshold already; nothing was changed.")
    setting = SkipAttention.objects.create(percent=percent, least_tasks=least_tasks, set_by=by)
    audit.record(
        actor=by,
        action="change_skip_attention",
        obj=setting,
        percent=percent,
        least_tasks=least_tasks,
        before=[before.percent, before.least_tasks],
    )
    return setting


def needing_attention(threshold: Threshold | None = None) -> QuerySet[Labeler]:
    """Return who skips more than the threshold, the largest share first.

    Each has `finished` tasks, `passed_on` ones and `share`, and how many for each reason (`unclear`, …).
    """
    limit = threshold or current_threshold()
    skipped = Q(assignments__state=State.SKIPPED)
    reasons = {
        reason: Count("assignments", filter=Q(assignments__skip__reason=reason))
        for reason in Skip.Reason.values
    }
    counted = Labeler.objects.filter(is_external=False).annotate(
        finished=Count("assignments", filter=skipped | Q(assignments__state=State.SUBMITTED)),
        passed_on=Count("assignments", filter=skipped),
        **reasons,
    )
    over = counted.filter(finished__gte=limit.least_tasks).annotate(
        share=Cast(F("passed_on"), FloatField()) / F("finished")
    )
    return over.filter(share__gt=limit.percent / 100).order_by("-share", "pseudonym")


def labeler_needs_attention(labeler: Labeler) -> Threshold | None:
    """Return the threshold that a labeler's own skips pass, None if they do not."""
    threshold = current_threshold()
    done = labeler.assignments.filter(state__in=(State.SUBMITTED, State.SKIPPED))
    counts = done.aggregate(all=Count("pk"), skipped=Count("pk", filter=Q(state=State.SKIPPED)))
    return threshold if threshold.is_passed(counts["skipped"], counts["all"]) else None
