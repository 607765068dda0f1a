"""Celery tasks of the labeling side: each calls one rule."""

from celery import shared_task

from labeling.rules import assignments, quality_reports, webhook_delivery


@shared_task(name="labeling.tasks.reclaim_leases", ignore_result=True)
def reclaim_leases() -> int:
    """Put slots whose lease ran out back into the pool."""
    return assignments.reclaim_leases()


@shared_task(name="labeling.tasks.refresh_quality", ignore_result=True)
def refresh_quality() -> int:
    """Compute the quality pages' figures anew where labels were added. Returns how many sections."""
    return len(quality_reports.refresh_reports(spare=True))


@shared_task(name="labeling.tasks.deliver_webhooks", ignore_result=True)
def deliver_webhooks() -> int:
    """Send the messages that are due. Returns how many attempts were made."""
    return webhook_delivery.deliver_due()
