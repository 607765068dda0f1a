"""A batch that runs: paused, balanced, extended, reopened, and every change undone."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import (
    Anchor,
    AnchorResponse,
    AnchorSet,
    Assignment,
    AuditEvent,
    Batch,
    Labeler,
    Task,
    TaskKind,
    User,
)
from labeling.rules import assignments, batch_changes, batches, demonstrations, selection
from tests.factories import (
    PromptFactory,
    ResponseFactory,
    claimed,
    qualified_labeler,
    ranked_task,
    writing_batch,
)

pytestmark = pytest.mark.django_db
WRITING = TaskKind.DEMONSTRATION


def write(labeler: Labeler) -> Assignment:
    mine = claimed(labeler, WRITING)
    demonstrations.submit_demonstration(assignment=mine, text="done", idempotency_key=str(mine.code))
    return mine


def undo(batch: Batch, by: User) -> None:
    event = batch_changes.last_undoable(batch)
    assert event is not None
    batch_changes.undo_change(batch=batch, event=event, by=by)


def test_slots_of_a_task_share_a_random_key_and_have_codes_of_their_own() -> None:
    batch = writing_batch(tasks=30, overlap=3)
    rows = list(
        batch.assignments.values_list("task", "shuffle_key", "code", "state", "kind", "display_order")
    )
    keys = {(task, key) for task, key, *_ in rows}
    assert len(rows) == 90
    assert len(keys) == 30
    assert [key for _, key in sorted(keys)] != sorted(key for _, key in keys)
    assert len({row[2] for row in rows}) == 90
    assert {row[2].version for row in rows} == {4}
    assert {row[3:] for row in [(*row[:3], row[3], row[4], str(row[5])) for row in rows]} == {
        ("open", "demonstration", "[]")
    }


def test_small_share_still_makes_one_shared_task() -> None:
    assert [batches.shared_count(n, 0.2) for n in (0, 1, 3, 5, 10)] == [0, 1, 1, 1, 2]
    assert batches.shared_count(10, 0) == 0
    batch = batches.create_batch(name="B", kind=WRITING, overlap=2, shared_fraction=0.2)
    batches.add_writing_tasks(batch=batch, prompts=PromptFactory.create_batch(3))
    assert list(batch.tasks.values_list("overlap", flat=True)) == [2, 1, 1]


def test_paused_batch_gives_nothing_but_takes_what_is_in_hand(alice: Labeler, mia: User) -> None:
    batch = writing_batch(tasks=3)
    mine = claimed(alice, WRITING)
    batch_changes.pause_batch(batch=batch, by=mia, reason="The guideline is being mended")
    other = qualified_labeler()
    assert assignments.claim_next(labeler=other, kind=WRITING) is None
    assignments.skip(assignment=mine, reason="unclear")
    assert (
        Assignment.objects.open().filter(batch=batch).count() == 3
    )  # the skipped one got its fresh slot, which waits too
    batch_changes.resume_batch(batch=batch, by=mia)
    assert assignments.claim_next(labeler=other, kind=WRITING) is not None
    with pytest.raises(Conflict):
        batch_changes.resume_batch(batch=batch, by=mia)


def test_closed_batch_reopens_with_the_slots_it_lacks(alice: Labeler, mia: User) -> None:
    batch = writing_batch(tasks=3, overlap=2)
    write(alice)
    batches.close_batch(batch=batch, by=mia)
    assert Assignment.objects.open().filter(batch=batch).count() == 0
    batch_changes.reopen_batch(batch=batch, by=mia)
    assert Assignment.objects.open().filter(batch=batch).count() == 5
    batch.refresh_from_db()
    assert (batch.status, batch.closed_at) == (Batch.Status.OPEN, None)


def test_batch_with_every_label_does_not_reopen(alice: Labeler, mia: User) -> None:
    batch = writing_batch(tasks=1)
    write(alice)
    batches.close_batch(batch=batch, by=mia)
    with pytest.raises(Conflict, match="every label"):
        batch_changes.reopen_batch(batch=batch, by=mia)
    batch.refresh_from_db()
    assert batch.status == Batch.Status.CLOSED


def test_raising_overlap_opens_slots_and_lowering_withdraws_only_what_nobody_holds(
    alice: Labeler, mia: User
) -> None:
    batch = writing_batch(tasks=4, overlap=2)
    write(alice)
    held = claimed(alice, WRITING)
    raised = batch_changes.balance_batch(batch=batch, overlap=3, by=mia)
    assert (raised.tasks, raised.opened) == (2, 2)  # the answered and the held task stay as they are
    lowered = batch_changes.balance_batch(batch=batch, overlap=1, only_unanswered=False, by=mia)
    assert lowered.tasks == 4
    assert Assignment.objects.open().filter(batch=batch).count() == 2
    assert not Assignment.objects.open().filter(task=held.task).exists()
    held.refresh_from_db()
    assert held.state == Assignment.State.LEASED
    assert batches.batch_progress(batch).wanted == 4


def test_balance_touches_only_the_pool_or_the_single_tasks_asked_for(mia: User) -> None:
    batch = writing_batch(tasks=10, overlap=3, shared_fraction=0.2)
    batch_changes.balance_batch(batch=batch, overlap=2, which="single", by=mia)
    assert sorted(batch.tasks.values_list("overlap", flat=True)) == [2] * 8 + [3] * 2
    undo(batch, mia)
    assert sorted(batch.tasks.values_list("overlap", flat=True)) == [1] * 8 + [3] * 2
    assert Assignment.objects.open().filter(batch=batch).count() == 14


def test_withdrawn_slots_leave_the_batch_complete_and_come_back_when_undone(
    alice: Labeler, mia: User
) -> None:
    batch = writing_batch(tasks=4)
    write(alice)
    claimed(alice, WRITING)
    batch_changes.withdraw_slots(batch=batch, by=mia)
    progress = batches.batch_progress(batch)
    assert (progress.wanted, progress.submitted, progress.leased, progress.open) == (2, 1, 1, 0)
    undo(batch, mia)
    progress = batches.batch_progress(batch)
    assert (progress.wanted, progress.open) == (4, 2)


def test_undoing_a_withdrawal_gives_each_task_what_was_wanted_of_it_before(dana: User) -> None:
    prompt = PromptFactory.create()
    anchor_set = AnchorSet.objects.create(name="Drift", kind=TaskKind.COMPARISON, created_by=dana)
    anchor = Anchor.objects.create(anchor_set=anchor_set, prompt=prompt)
    for position, response in enumerate(ResponseFactory.create_batch(2, prompt=prompt)):
        AnchorResponse.objects.create(anchor=anchor, response=response, position=position)
    batch = batches.create_batch(name="B", kind=TaskKind.COMPARISON, overlap=2, shared_fraction=0.5, k=2)
    for _ in range(4):
        ranked_task(batch, 2)
    batches.add_anchor_tasks(batch=batch, anchor_set=anchor_set, overlap=3)
    batches.open_batch(batch=batch)
    lowered = batch.tasks.filter(is_shared=True).earliest("pk")
    lowered.assignments.open().filter(pk=lowered.assignments.latest("pk").pk).update(state="withdrawn")
    Task.objects.filter(pk=lowered.pk).update(overlap=1)

    def found() -> list[tuple[int, int]]:
        return [(task.overlap, task.assignments.open().count()) for task in batch.tasks.order_by("pk")]

    before = found()
    assert sorted(before) == [(1, 1), (1, 1), (1, 1), (2, 2), (3, 3)]
    batch_changes.withdraw_slots(batch=batch, by=dana)
    assert found() == [(0, 0)] * 5
    undo(batch, dana)
    assert found() == before
    batch_changes.balance_batch(batch=batch, overlap=4, which="all", by=dana)
    assert sorted(found()) == [(3, 3), (4, 4), (4, 4), (4, 4), (4, 4)]
    undo(batch, dana)
    assert found() == before


def test_rules_change_while_people_work_and_change_back(alice: Labeler, mia: User) -> None:
    batch = writing_batch(tasks=2)
    soon = timezone.now() + timedelta(days=2)
    batch_changes.change_batch(
        batch=batch, by=mia, priority=7, deadline_at=soon, cohorts=["train", "researcher"]
    )
    assert set(batch.assignments.values_list("priority", flat=True)) == {7}
    assert batch.cohorts == ["researcher", "train"]
    undo(batch, mia)
    batch.refresh_from_db()
    assert (batch.priority, batch.deadline_at, batch.cohorts) == (0, None, ["train"])
    assert set(batch.assignments.values_list("priority", flat=True)) == {0}


def test_cap_per_labeler_changes_while_people_work_and_is_taken_away(alice: Labeler, mia: User) -> None:
    batch = writing_batch(tasks=4)
    write(alice)
    batch_changes.change_batch(batch=batch, by=mia, labeler_cap=1)
    assert assignments.claim_next(labeler=alice, kind=WRITING) is None
    batch_changes.change_batch(batch=batch, by=mia, labeler_cap=2)
    write(alice)
    assert assignments.claim_next(labeler=alice, kind=WRITING) is None
    batch_changes.change_batch(batch=batch, by=mia, clears=["labeler_cap"])
    assert assignments.claim_next(labeler=alice, kind=WRITING) is not None
    undo(batch, mia)
    batch.refresh_from_db()
    assert batch.labeler_cap == 2


def test_undo_takes_away_a_cap_that_was_not_there_before(mia: User) -> None:
    batch = writing_batch(tasks=1)
    batch_changes.change_batch(
        batch=batch, by=mia, labeler_cap=5, deadline_at=timezone.now() + timedelta(days=1)
    )
    undo(batch, mia)
    batch.refresh_from_db()
    assert (batch.labeler_cap, batch.deadline_at) == (None, None)


def test_impossible_changes_name_every_field(mia: User) -> None:
    batch = writing_batch(tasks=1)
    past = timezone.now() - timedelta(days=1)
    with pytest.raises(InvalidInput) as refusal:
        batch_changes.change_batch(
            batch=batch,
            by=mia,
            priority=5000,
            cohorts=["held_out"],
            deadline_at=past,
            lease_seconds=1,
            labeler_cap=0,
            name="",
        )
    wrong = {"priority", "cohorts", "deadline_at", "lease_seconds", "labeler_cap", "name"}
    assert set(refusal.value.fields) == wrong


def test_change_that_changes_nothing_leaves_no_trace(mia: User) -> None:
    batch = writing_batch(tasks=1)
    before = AuditEvent.objects.count()
    batch_changes.change_batch(batch=batch, by=mia, priority=0)
    assert AuditEvent.objects.count() == before


def test_extended_batch_gives_the_new_tasks_out_at_once(mia: User) -> None:
    batch = writing_batch(tasks=5, overlap=2, shared_fraction=0.2)
    PromptFactory.create_batch(5)
    added = batch_changes.extend_batch(batch=batch, choice=selection.Choice(kind=WRITING), count=5, by=mia)
    assert added == 5
    assert batch.tasks.filter(is_shared=True).count() == 2
    assert Assignment.objects.open().filter(batch=batch).count() == 12
    with pytest.raises(InvalidInput):
        batch_changes.extend_batch(batch=batch, choice=selection.Choice(kind=WRITING), count=5, by=mia)


def test_only_the_newest_change_can_be_undone(mia: User) -> None:
    batch = writing_batch(tasks=1)
    batch_changes.change_batch(batch=batch, by=mia, priority=3)
    first = batch_changes.last_undoable(batch)
    batch_changes.pause_batch(batch=batch, by=mia)
    assert first is not None
    with pytest.raises(Conflict, match="changed since"):
        batch_changes.undo_change(batch=batch, event=first, by=mia)


def test_every_change_asks_who_may(alice: Labeler) -> None:
    batch = writing_batch(tasks=1)
    with pytest.raises(NotPermitted):
        batch_changes.pause_batch(batch=batch, by=alice.user)
    with pytest.raises(NotPermitted):
        batch_changes.balance_batch(batch=batch, overlap=2, by=alice.user)
    assert Task.objects.get().overlap == 1


def test_surplus_labels_fill_no_slot_when_overlap_is_raised(alice: Labeler, mia: User) -> None:
    batch = writing_batch(tasks=1)
    mine = claimed(alice, WRITING)
    Assignment.objects.filter(pk=mine.pk).update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    assignments.reclaim_leases()
    write(qualified_labeler())
    late = demonstrations.submit_demonstration(assignment=mine, text="late", idempotency_key="late")
    assert late.is_surplus
    batch_changes.balance_batch(batch=batch, overlap=2, only_unanswered=False, by=mia)
    assert Assignment.objects.open().filter(batch=batch).count() == 1
