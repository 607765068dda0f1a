"""Late work: it counts as long as its task lacks a label, whatever became of batch and task meanwhile."""

import threading
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from labeling.models import Assignment, Batch, Demonstration, Receipt, Role, TaskKind
from labeling.rules import assignments, batch_changes, batches, demonstrations, revisions, skips
from tests.factories import UserFactory, claimed, qualified_labeler, writing_batch

pytestmark = pytest.mark.django_db
KIND = TaskKind.DEMONSTRATION


def end_leases(batch: Batch) -> None:
    batch.assignments.leased().update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assignments.reclaim_leases()


def submit(slot: Assignment, key: str = "") -> Receipt:
    return demonstrations.submit_demonstration(
        assignment=slot, text="My own work.", idempotency_key=key or str(slot.code)
    )


@pytest.mark.parametrize("order", ["closed, then ended", "ended, then closed"])
def test_late_work_counts_where_the_batch_was_closed(order: str) -> None:
    batch = writing_batch(tasks=1)
    slot = claimed(qualified_labeler(), KIND)
    if order.startswith("closed"):
        batches.close_batch(batch=batch)
    end_leases(batch)
    if order.endswith("closed"):
        batches.close_batch(batch=batch)
    assert not submit(slot).is_surplus
    assert not Demonstration.objects.get().is_surplus
    progress = batches.batch_progress(batch)
    assert (progress.submitted, progress.surplus) == (1, 0)


def test_late_work_counts_where_the_task_was_set_aside() -> None:
    batch = writing_batch(tasks=1)
    slot = claimed(qualified_labeler(), KIND)
    skips.set_aside(slot.task)
    end_leases(batch)
    assert not submit(slot).is_surplus
    assert skips.put_back(task=slot.task, by=UserFactory.create(role=Role.MANAGER)) == 0


def test_late_work_is_surplus_where_others_gave_or_hold_all_that_was_wanted() -> None:
    batch = writing_batch(tasks=1, overlap=2)
    late = [claimed(qualified_labeler(), KIND) for _ in range(2)]
    end_leases(batch)
    submit(claimed(qualified_labeler(), KIND))
    holder = claimed(qualified_labeler(), KIND)
    batches.close_batch(batch=batch)
    assert submit(late[0]).is_surplus
    assignments.skip(assignment=holder, reason="unclear")
    assert not submit(late[1]).is_surplus


def test_late_work_is_surplus_where_its_label_is_wanted_no_more() -> None:
    batch = writing_batch(tasks=1)
    slot = claimed(qualified_labeler(), KIND)
    end_leases(batch)
    batch_changes.withdraw_slots(batch=batch)
    assert submit(slot).is_surplus


def test_surplus_after_an_undo_fills_no_slot() -> None:
    batch = writing_batch(tasks=1)
    slot = claimed(qualified_labeler(), KIND)
    revisions.undo_submission(receipt=submit(slot))
    end_leases(batch)
    other = claimed(qualified_labeler(), KIND)
    assert submit(slot, key="again").is_surplus
    assignments.skip(assignment=other, reason="unclear")
    batches.close_batch(batch=batch)
    batch_changes.reopen_batch(batch=batch)
    assert batch.assignments.open().count() == 1


@pytest.mark.django_db(transaction=True)
def test_late_work_of_two_at_once_counts_as_often_as_labels_are_lacking() -> None:
    batch = writing_batch(tasks=1, overlap=2)
    late = [claimed(qualified_labeler(), KIND) for _ in range(2)]
    end_leases(batch)
    late += [claimed(qualified_labeler(), KIND) for _ in range(2)]
    batches.close_batch(batch=batch)
    end_leases(batch)
    barrier = threading.Barrier(4, timeout=30)
    receipts: list[Receipt] = []

    def work(slot: Assignment) -> None:
        try:
            barrier.wait()
            receipts.append(submit(slot))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(slot,)) for slot in late]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(receipt.is_surplus for receipt in receipts) == [False, False, True, True]
