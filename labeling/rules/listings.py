"""What staff lists show: rows with their counts, in a fixed number of queries."""

from typing import Any

from django.db.models import Count, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from labeling.models import Assignment, Batch, Labeler, Receipt, Skip, Task

State = Assignment.State


def batches_with_progress() -> QuerySet[Batch]:
    """Batches with `wanted` labels, `submitted` ones, and how many are `leased` now."""
    wanted = Task.objects.filter(batch=OuterRef("pk")).order_by().values("batch").annotate(n=Sum("overlap"))
    return Batch.objects.annotate(
        wanted=_number(wanted),
        submitted=_number(_slots(Q(state=State.SUBMITTED))),
        leased=_number(_slots(Q(state=State.LEASED))),
    )


def labelers_with_counts() -> QuerySet[Labeler]:
    """Labelers with `submitted` labels, tasks `held`, `skipped`, `active_seconds`, and qualifications."""
    own = Assignment.objects.filter(labeler=OuterRef("pk")).order_by().values("labeler")
    receipts = Receipt.objects.filter(labeler=OuterRef("pk"), revision=1).order_by().values("labeler")
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
    """Who labeled how much of a batch, most first: code, pseudonym, submitted, skipped, seconds."""
    rows = (
        batch.assignments.filter(labeler__isnull=False)
        .values("labeler__code", "labeler__pseudonym", "labeler__is_simulated")
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
