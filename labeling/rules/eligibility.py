"""Who may claim what: status, terms, qualification, cohort, deadline, guideline read, opted out or not."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from labeling.errors import InvalidInput, NotPermitted
from labeling.models import (
    Acknowledgement,
    Assignment,
    Batch,
    Cohort,
    Guideline,
    Labeler,
    Preferences,
    Prompt,
    Skip,
    TaskKind,
)
from labeling.rules import access
from labeling.statements import Query

OPEN_BATCHES = Query(
    lambda kind, now: (
        Batch.objects.open()
        .filter(Q(deadline_at=None) | Q(deadline_at__gt=now), kind=kind)
        .select_related("guideline")
        .only(
            "pk",
            "cohorts",
            "lease_seconds",
            "overlap",
            "labeler_cap",
            "kind",
            "guideline__version",
            "guideline__code",
            "guideline__kind",
        )
        .order_by("-priority", "opened_at", "pk")
    ),
    kind=str,
    now=datetime,
)


@dataclass(frozen=True)
class Limits:
    """What narrows the tasks of one labeler: their own wish, and the languages a manager named for them."""

    avoids_distressing: bool = False
    languages: tuple[str, ...] = ()

    @property
    def is_any(self) -> bool:
        """Return whether anything is narrowed at all."""
        return self.avoids_distressing or bool(self.languages)


NO_LIMITS = Limits()


def limits_of(labeler: Labeler) -> Limits:
    """Return what narrows a labeler's tasks."""
    avoids = Preferences.objects.filter(labeler=labeler, avoids_distressing=True).exists()
    return Limits(avoids, tuple(labeler.languages))


def ensure_known(kind: str) -> None:
    """Raise InvalidInput for an unknown kind."""
    if kind not in TaskKind.values:
        allowed = ", ".join(TaskKind.values)
        raise InvalidInput(f'kind "{kind}" is not one of {allowed}.', fields={"kind": f"one of {allowed}"})


def ensure_may_claim(labeler: Labeler, kind: str) -> None:
    """Raise InvalidInput for an unknown kind, NotPermitted for who may take no new work of it."""
    ensure_known(kind)
    access.ensure_may_work(labeler)
    if not labeler.is_qualified(kind):
        raise NotPermitted(f"This needs the qualification for {kind} tasks.", code="not_qualified")


def eligible_batches(labeler: Labeler, kind: str) -> list[Batch]:
    """Return the open batches of a kind, their deadline ahead, that are for this labeler's cohort.

    A batch of which the labeler had as many tasks as one labeler gets is left out. They stand in the order
    in which claims look through them: by priority, then the one opened first.
    """
    if labeler.cohort == Cohort.HELD_OUT and not TaskKind(kind).is_evaluation:
        return []
    batches = OPEN_BATCHES.all(kind=kind, now=timezone.now())
    fitting = [batch for batch in batches if labeler.cohort in batch.cohorts]
    return [batch for batch in fitting if tasks_left(labeler, batch) != 0]


def tasks_left(labeler: Labeler, batch: Batch) -> int | None:
    """Return how many more tasks of a batch this labeler gets; None where no number is set."""
    if batch.labeler_cap is None:
        return None
    had = Assignment.objects.filter(labeler=labeler, batch=batch).exclude(state=Assignment.State.SKIPPED)
    return max(0, batch.labeler_cap - had.count())


def open_slots(
    labeler: Labeler, kind: str, batches: Iterable[Batch], *, limits: Limits = NO_LIMITS
) -> QuerySet[Assignment]:
    """Return the open slots that this labeler may claim, in no order."""
    mine = Assignment.objects.filter(task=OuterRef("task"), labeler=labeler)
    slots = Assignment.objects.open().filter(
        ~Exists(mine), kind=kind, batch_id__in=[batch.pk for batch in batches]
    )
    if limits.languages:
        slots = slots.filter(Q(task__prompt=None) | Q(task__prompt__language__in=("", *limits.languages)))
    return without_distressing(slots, kind) if limits.avoids_distressing else slots


def without_distressing(slots: QuerySet[Assignment], kind: str) -> QuerySet[Assignment]:
    """Leave out prompts flagged as sensitive, tasks somebody skipped as harmful, and toxicity altogether."""
    if kind == TaskKind.TOXICITY:
        return slots.none()
    flagged = Prompt.objects.filter(pk=OuterRef("task__prompt"), tags__sensitive_content=True)
    reported = Skip.objects.filter(reason=Skip.Reason.HARMFUL, assignment__task=OuterRef("task"))
    return slots.filter(~Exists(flagged), ~Exists(reported))


def guideline_to_read(
    labeler: Labeler, kind: str, batches: Iterable[Batch] | None = None
) -> Guideline | None:
    """Return the guideline that a labeler must acknowledge before the next task of a kind, None if none.

    It is the newest under which there is open work for them; the first version of all is known from the
    start. Whoever has acknowledged a later one has read enough.
    """
    rows = eligible_batches(labeler, kind) if batches is None else batches
    changed = [batch.guideline for batch in rows if batch.guideline and batch.guideline.version > 1]
    if not changed:
        return None
    newest = max(changed, key=lambda guideline: guideline.version)
    read = Acknowledgement.objects.filter(
        labeler=labeler, guideline__kind=kind, guideline__version__gte=newest.version
    )
    return None if read.exists() else newest


def ensure_guideline_read(labeler: Labeler, kind: str, batches: Iterable[Batch]) -> None:
    """Raise NotPermitted (`guideline_changed`) while a changed guideline is not acknowledged."""
    unread = guideline_to_read(labeler, kind, batches)
    if unread is not None:
        raise NotPermitted(
            f"The guideline has changed: read version {unread.version} and acknowledge it, then go on.",
            code="guideline_changed",
            fields={"guideline": str(unread.code)},
        )
