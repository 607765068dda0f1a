"""Celery tasks of the labeling side: each calls one rule."""

from celery import shared_task

from labeling.rules import assignments


@shared_task(name="labeling.tasks.reclaim_leases", ignore_result=True)
def reclaim_leases() -> int:
    """Put slots whose lease ran out back into the pool."""
    return assignments.reclaim_leases()
