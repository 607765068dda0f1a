"""Single tasks given to another batch and cohort."""

import pytest

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import Assignment, AuditEvent, Cohort, Labeler, TaskKind, User
from labeling.rules import assignments, batches
from labeling.rules.task_moves import Move, batches_to_move_to, move_tasks
from tests.factories import claimed, qualified_labeler, ranked_batch, writing_batch

pytestmark = pytest.mark.django_db
EVALUATION = TaskKind.EVALUATION


def test_an_untouched_task_goes_with_its_slots_and_is_claimed_there(alice: Labeler, mia: User) -> None:
    source = writing_batch(tasks=2, cohorts=[Cohort.RESEARCHER], overlap=2)
    target = writing_batch(tasks=1, cohorts=[Cohort.TRAIN], priority=7)
    task = source.tasks.first()
    assert task is not None
    assert batches_to_move_to(source) == [target]
    assert move_tasks(tasks=[task], to=target, by=mia) == Move(moved=1, divided=0, left=0)
    task.refresh_from_db()
    assert task.batch == target
    assert (batches.batch_progress(source).open, batches.batch_progress(target).open) == (2, 3)
    got = set()
    for _ in range(2):
        mine = claimed(alice, TaskKind.DEMONSTRATION)
        got.add(mine.task_id)
        assignments.skip(assignment=mine, reason="expertise")
    assert task.pk in got
    assert AuditEvent.objects.get(action="move_tasks").detail["moved"] == 1


def test_what_is_left_of_a_task_somebody_holds_goes_to_other_cohorts_alone(
    alice: Labeler, hana: Labeler, mia: User
) -> None:
    source = ranked_batch(tasks=1, k=3, kind=EVALUATION, cohorts=[Cohort.TRAIN], overlap=2)
    held_out = ranked_batch(tasks=1, k=3, kind=EVALUATION, cohorts=[Cohort.HELD_OUT])
    same = ranked_batch(tasks=1, k=3, kind=EVALUATION, cohorts=[Cohort.TRAIN])
    mine = claimed(alice, EVALUATION)
    task = source.tasks.get()
    with pytest.raises(Conflict, match="seen by labelers who could get them again"):
        move_tasks(tasks=[task], to=same, by=mia)
    assert move_tasks(tasks=[task], to=held_out, by=mia) == Move(moved=0, divided=1, left=0)
    task.refresh_from_db()
    assert (task.overlap, batches.batch_progress(source).wanted) == (1, 1)
    copy = held_out.tasks.order_by("-pk")[0]
    assert list(copy.responses.order_by("pk")) == list(task.responses.order_by("pk"))
    assert Assignment.objects.open().filter(task=copy).count() == 1
    assert Assignment.objects.get(pk=mine.pk).state == "leased"  # what is held stays
    assert {claimed(hana, EVALUATION).batch_id} == {held_out.pk}
    assert move_tasks(tasks=[task], to=held_out, by=mia) == Move(moved=0, divided=0, left=1)


def test_a_draft_takes_tasks_and_opens_them_later(mia: User) -> None:
    source = writing_batch(tasks=2)
    draft = batches.create_batch(name="Later", kind=TaskKind.DEMONSTRATION)
    move_tasks(tasks=list(source.tasks.all()), to=draft, by=mia)
    assert not Assignment.objects.open().exists()
    batches.open_batch(batch=draft)
    assert Assignment.objects.open().filter(batch=draft).count() == 2


def test_moves_that_make_no_sense_are_refused(mia: User, alice: Labeler) -> None:
    source, other = ranked_batch(tasks=1, k=3), ranked_batch(tasks=1, k=4)
    task = source.tasks.get()
    for target, code in ((source, "same_batch"), (other, "another_k"), (writing_batch(), "another_kind")):
        with pytest.raises(Conflict) as refusal:
            move_tasks(tasks=[task], to=target, by=mia)
        assert refusal.value.reason_code == code
    closed = batches.close_batch(batch=ranked_batch(tasks=1, k=3))
    with pytest.raises(Conflict, match="takes no tasks"):
        move_tasks(tasks=[task], to=closed, by=mia)
    with pytest.raises(InvalidInput):
        move_tasks(tasks=[], to=other, by=mia)
    with pytest.raises(InvalidInput):
        move_tasks(tasks=[task, other.tasks.get()], to=other, by=mia)
    with pytest.raises(NotPermitted):
        move_tasks(tasks=[task], to=other, by=qualified_labeler().user)
