"""What staff lists show: rows with their counts, in a fixed number of queries."""

from typing import Any

from django.db.models import Case, Count, Exists, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum, When
from django.db.models.functions import Coalesce

from labeling.models import (
    Assignment,
    Batch,
    Demonstration,
    Labeler,
    Ranking,
    Receipt,
    Skip,
    Task,
    TaskKind,
)

State = Assignment.State


def batches_with_progress() -> QuerySet[Batch]:
    """Batches with `wanted` labels, `submitted` ones, and how many are `leased` now.

    Of an imported batch `submitted` counts the labels that came with it.
    """
    wanted = Task.objects.filter(batch=OuterRef("pk")).order_by().values("batch").annotate(n=Sum("overlap"))
    rankings = Ranking.objects.newest().filter(task__batch=OuterRef("pk")).order_by().values("task__batch")
    written = (
        Demonstration.objects.newest()
        .filter(assignment=None, prompt__tasks__batch=OuterRef("pk"))
        .order_by()
        .values("prompt__tasks__batch")
    )
    return Batch.objects.annotate(
        wanted=_number(wanted),
        submitted=Case(
            When(
                is_import=True,
                kind=TaskKind.DEMONSTRATION,
                then=_number(written.annotate(n=Count("pk"))),
            ),
            When(is_import=True, then=_number(rankings.annotate(n=Count("pk")))),
            default=_number(_slots(Q(state=State.SUBMITTED))),
        ),
        leased=_number(_slots(Q(state=State.LEASED))),
    )


def imported_labels(batch: Batch) -> QuerySet[Ranking] | QuerySet[Demonstration]:
    """The labels that came with an imported batch; none of them went through a slot."""
    if TaskKind(batch.kind).is_ranked:
        return Ranking.objects.newest().filter(task__batch=batch)
    prompts = batch.tasks.values("prompt")
    return Demonstration.objects.newest().filter(assignment=None, prompt__in=prompts)


def standing_submissions() -> QuerySet[Receipt]:
    """One receipt for each submission that stands: the first of its assignment that was not taken back."""
    earlier = Receipt.objects.filter(
        assignment=OuterRef("assignment"), revision__lt=OuterRef("revision"), withdrawn_at=None
    )
    return Receipt.objects.filter(Q(revision=1) | ~Exists(earlier), withdrawn_at=None)


def labelers_with_counts() -> QuerySet[Labeler]:
    """Labelers with `submitted` labels, tasks `held`, `skipped`, `active_seconds`, and qualifications."""
    own = Assignment.objects.filter(labeler=OuterRef("pk")).order_by().values("labeler")
    receipts = standing_submissions().filter(labeler=OuterRef("pk")).order_by().values("labeler")
    return (
        Labeler.objects.select_related("user")
        .prefetch_related("qualifications")
        .annotate(
            submitted=_number(receipts.annotate(n=Count("pk"))),
            held=_number(own.filter(state=State.LEASED).annotate(n=Count("pk"))),
            skipped=_number(own.filter(state=State.SKIPPED).annotate(n=Count("pk"))),
            active_seconds=_number(own.annotate(n=Sum("active_seconds"))),
        )
    )


def labels_by_labeler(batch: Batch) -> list[dict[str, Any]]:
    """Who labeled how much of a batch, most first: code, pseudonym, submitted, skipped, seconds.

    Of an imported batch only how much is known.
    """
    who = ("labeler__code", "labeler__pseudonym", "labeler__is_simulated")
    if batch.is_import:
        counted = imported_labels(batch).order_by().values(*who).annotate(submitted=Count("pk"))
        return [dict(row) for row in counted.order_by("-submitted", "labeler__pseudonym")]
    rows = (
        batch.assignments.filter(labeler__isnull=False)
        .values(*who)
        .annotate(
            submitted=Count("pk", filter=Q(state=State.SUBMITTED)),
            skipped=Count("pk", filter=Q(state=State.SKIPPED)),
            leased=Count("pk", filter=Q(state=State.LEASED)),
            seconds=Sum("active_seconds"),
        )
        .order_by("-submitted", "labeler__pseudonym")
    )
    return [dict(row) for row in rows]


def skips_of(batch: Batch) -> QuerySet[Skip]:
    """The skips of a batch, newest first, with the prompt and the labeler."""
    skips = Skip.objects.filter(assignment__batch=batch).order_by("-created_at")
    return skips.select_related("assignment__task__prompt", "assignment__labeler")


def _slots(condition: Q) -> QuerySet[Assignment, Any]:
    slots = Assignment.objects.filter(condition, batch=OuterRef("pk"))
    return slots.order_by().values("batch").annotate(n=Count("pk"))


def _number(rows: QuerySet[Any, Any]) -> Coalesce:
    return Coalesce(Subquery(rows.values("n"), output_field=IntegerField()), 0)
