"""Skips by reason: each goes another way, and staff see where."""

from typing import Any

import pytest

from labeling.errors import Conflict, NotPermitted
from labeling.models import Assignment, AuditEvent, Labeler, Role, Skip, Task, TaskKind
from labeling.rules import assignments, skips
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
