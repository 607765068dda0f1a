"""Skips by reason: each goes another way, and staff see where."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections, transaction
from django.utils import timezone

from labeling.errors import Conflict, NotPermitted
from labeling.models import Assignment, AuditEvent, Labeler, Role, Skip, Task, TaskKind
from labeling.rules import assignments, batch_changes, batches, skips
from tests.factories import UserFactory, claimed, qualified_labeler, writing_batch

pytestmark = pytest.mark.django_db
KIND = TaskKind.DEMONSTRATION
Reason = Skip.Reason


def passed_on(reason: str, labeler: Labeler | None = None) -> Assignment:
    slot = claimed(labeler or qualified_labeler(), KIND)
    assignments.skip(assignment=slot, reason=reason)
    return slot


def count(task: Task, reason: str) -> int:
    return int(getattr(task, reason))


def is_set_aside(slot: Assignment) -> bool:
    return Task.objects.filter(pk=slot.task_id, set_aside_at__isnull=False).exists()


def test_unclear_goes_to_the_end_of_the_queue_and_is_counted() -> None:
    writing_batch(tasks=2)
    first = passed_on(Reason.UNCLEAR)
    assert claimed(qualified_labeler(), KIND).task != first.task
    assert claimed(qualified_labeler(), KIND).task == first.task
    (row,) = skips.skipped_tasks(reason=Reason.UNCLEAR)
    assert (row.pk, count(row, "unclear"), count(row, "broken")) == (first.task_id, 1, 0)


def test_expertise_goes_to_another_labeler_at_its_place() -> None:
    writing_batch(tasks=2)
    alice = qualified_labeler()
    first = passed_on(Reason.EXPERTISE, alice)
    assert claimed(alice, KIND).task != first.task
    assert claimed(qualified_labeler(), KIND).task == first.task


def test_broken_is_set_aside_after_so_many_skips_and_can_be_put_back(settings: Any) -> None:
    settings.BROKEN_SKIPS = 2
    writing_batch(tasks=1, overlap=3)
    first = passed_on(Reason.BROKEN)
    assert not is_set_aside(first)
    passed_on(Reason.BROKEN)
    assert is_set_aside(first)
    assert assignments.claim_next(labeler=qualified_labeler(), kind=KIND) is None
    (row,) = skips.skipped_tasks(reason=Reason.BROKEN)
    assert count(row, "broken") == 2
    manager = UserFactory.create(role=Role.MANAGER)
    assert skips.put_back(task=first.task, by=manager) == 3
    assert AuditEvent.objects.get(action="put_back_task").detail == {"slots": 3}
    assert claimed(qualified_labeler(), KIND)
    with pytest.raises(Conflict):
        skips.put_back(task=first.task, by=manager)
    with pytest.raises(NotPermitted):
        skips.put_back(task=first.task, by=qualified_labeler().user)


def open_slots(task: Task) -> int:
    return task.assignments.open().count()


def end_lease(slot: Assignment) -> None:
    Assignment.objects.filter(pk=slot.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))


def test_what_is_set_aside_gets_no_slot_from_changes_of_its_batch() -> None:
    batch = writing_batch(tasks=2, overlap=2)
    aside, served = batch.tasks.all()
    skips.set_aside(aside)
    batches.close_batch(batch=batch)
    batch_changes.reopen_batch(batch=batch)
    assert (open_slots(aside), open_slots(served)) == (0, 2)
    batch_changes.balance_batch(batch=batch, overlap=3, which="all")
    assert (open_slots(aside), open_slots(served)) == (0, 3)
    assert skips.put_back(task=aside, by=UserFactory.create(role=Role.MANAGER)) == 3


def test_what_is_set_aside_gets_no_slot_from_those_who_hold_it() -> None:
    batch = writing_batch(tasks=1, overlap=3)
    task = batch.tasks.get()
    skipped, ended, untouched = (claimed(qualified_labeler(), KIND) for _ in range(3))
    skips.set_aside(task)
    assignments.skip(assignment=skipped, reason=Reason.EXPERTISE)
    end_lease(ended)
    assert assignments.reclaim_leases() == 1
    assert untouched.labeler is not None
    assert assignments.give_back(labeler=untouched.labeler, kind=KIND) == 1
    assert open_slots(task) == 0
    assert task.assignments.filter(state=Assignment.State.WITHDRAWN, labeler=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_lease_that_ends_while_its_task_is_set_aside_opens_no_slot() -> None:
    batch = writing_batch(tasks=6)
    for _ in range(6):
        end_lease(claimed(qualified_labeler(), KIND))
    barrier = threading.Barrier(2, timeout=30)
    faults: list[Exception] = []

    def set_aside() -> None:
        for task in batch.tasks.all():
            with transaction.atomic():
                skips.set_aside(task)

    def work(step: Any) -> None:
        try:
            barrier.wait()
            step()
        except Exception as error:
            faults.append(error)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=work, args=(step,)) for step in (set_aside, assignments.reclaim_leases)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    assert not Assignment.objects.open().exists()
    assert Assignment.objects.filter(state=Assignment.State.EXPIRED).count() == 6


def test_put_back_in_a_closed_batch_counts_no_slot_before_the_batch_is_reopened() -> None:
    batch = writing_batch(tasks=1, overlap=2)
    task = batch.tasks.get()
    skips.set_aside(task)
    batches.close_batch(batch=batch)
    assert skips.put_back(task=task, by=UserFactory.create(role=Role.MANAGER)) == 0
    assert AuditEvent.objects.get(action="put_back_task").detail == {"slots": 0}
    batch_changes.reopen_batch(batch=batch)
    assert open_slots(task) == 2


def test_harmful_is_counted_for_the_labeler_who_is_offered_to_opt_out() -> None:
    writing_batch(tasks=3)
    alice = qualified_labeler()
    for _ in range(skips.HARMFUL_BEFORE_ADVICE):
        assert not skips.should_offer_opt_out(alice)
        passed_on(Reason.HARMFUL, alice)
    assert skips.should_offer_opt_out(alice)


def test_skip_rate_is_of_what_was_finished() -> None:
    writing_batch(tasks=3)
    alice = qualified_labeler()
    assert skips.skip_rate(alice) is None
    passed_on(Reason.UNCLEAR, alice)
    assert skips.skip_rate(alice) == 1.0
