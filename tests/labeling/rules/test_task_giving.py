"""Single tasks kept for one labeler by name."""

from datetime import timedelta

import pytest
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import Assignment, AuditEvent, Batch, Labeler, TaskKind, User
from labeling.rules import assignments, batches
from labeling.rules.demonstrations import submit_demonstration
from labeling.rules.task_giving import give_tasks, labelers_to_give_to, take_back
from tests.factories import claimed, qualified_labeler, ranked_batch, writing_batch

pytestmark = pytest.mark.django_db
DEMONSTRATION = TaskKind.DEMONSTRATION


def held_by(labeler: Labeler) -> set[int]:
    return set(Assignment.objects.leased().filter(labeler=labeler).values_list("task", flat=True))


def test_given_tasks_come_before_all_others_and_nobody_else_gets_them(alice: Labeler, mia: User) -> None:
    batch = writing_batch(tasks=4)
    first, *_, last = batch.tasks.all()
    other = qualified_labeler()
    given = give_tasks(tasks=[last, first], labeler=alice, days=2, by=mia)
    assert (given.given, given.left) == (2, 0)
    assert timedelta(days=2) >= given.until - timezone.now() > timedelta(days=1, hours=23)
    assert held_by(alice) == {first.pk, last.pk}
    seen = set()
    while (mine := assignments.claim_next(labeler=other, kind=DEMONSTRATION)) is not None:
        seen.add(mine.task_id)
        submit_demonstration(assignment=mine, text="No, thank you.", idempotency_key=str(mine.code))
    assert seen == set(batch.tasks.values_list("pk", flat=True)) - {first.pk, last.pk}
    got = []
    while (mine := assignments.claim_next(labeler=alice, kind=DEMONSTRATION)) is not None:
        got.append(mine.task_id)
        submit_demonstration(assignment=mine, text="Yes, gladly.", idempotency_key=str(mine.code))
    assert got == [last.pk, first.pk]
    assert AuditEvent.objects.get(action="give_tasks").detail == {
        "labeler": str(alice.code), "given": 2, "days": 2,
    }  # fmt: skip


def test_a_given_task_shows_ranked_responses_in_an_order_of_its_labelers_own(
    alice: Labeler, mia: User
) -> None:
    batch = ranked_batch(tasks=1, k=4)
    give_tasks(tasks=list(batch.tasks.all()), labeler=alice, days=1, by=mia)
    mine = claimed(alice, TaskKind.COMPARISON)
    codes = batch.tasks.get().responses.values_list("code", flat=True)
    assert sorted(mine.display_order) == sorted(str(code) for code in codes)


def test_looking_at_a_given_task_or_finishing_for_now_does_not_shorten_how_long_it_is_kept(
    alice: Labeler, mia: User
) -> None:
    batch = writing_batch(tasks=2)
    until = give_tasks(tasks=list(batch.tasks.all()), labeler=alice, days=3, by=mia).until
    mine = claimed(alice, DEMONSTRATION)
    assert assignments.heartbeat(assignment=mine, active_seconds=1).lease_expires_at == until
    assert assignments.give_back(labeler=alice, kind=DEMONSTRATION) == 0
    assert len(held_by(alice)) == 2
    Assignment.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert assignments.reclaim_leases() == 2
    assert Assignment.objects.open().count() == 2


def test_what_they_have_seen_or_nobody_is_wanted_for_or_exceeds_their_cap_stays(
    alice: Labeler, mia: User
) -> None:
    batch = writing_batch(tasks=5)
    Batch.objects.update(labeler_cap=3)
    skipped = claimed(alice, DEMONSTRATION)
    assignments.skip(assignment=skipped, reason="expertise")
    taken = claimed(qualified_labeler(), DEMONSTRATION)
    Assignment.objects.open().filter(task=taken.task).delete()
    given = give_tasks(tasks=list(batch.tasks.all()), labeler=alice, days=1, by=mia)
    assert (given.given, given.left) == (3, 2)
    assert held_by(alice).isdisjoint({skipped.task_id, taken.task_id})
    with pytest.raises(Conflict, match="its cap for one labeler not reached"):
        give_tasks(tasks=list(batch.tasks.all()), labeler=alice, days=1, by=mia)


def test_being_given_a_task_opens_no_door(alice: Labeler, hana: Labeler, bob: Labeler, mia: User) -> None:
    batch = writing_batch(tasks=1)
    tasks = list(batch.tasks.all())
    refused: tuple[tuple[Labeler, type[Exception]], ...] = ((hana, Conflict), (bob, NotPermitted))
    for labeler, error in refused:
        with pytest.raises(error):
            give_tasks(tasks=tasks, labeler=labeler, days=1, by=mia)
    with pytest.raises(NotPermitted):
        give_tasks(tasks=tasks, labeler=alice, days=1, by=alice.user)
    assert list(labelers_to_give_to(batch)) == [alice]
    batches.close_batch(batch=batch)
    with pytest.raises(Conflict, match="must be open"):
        give_tasks(tasks=tasks, labeler=alice, days=1, by=mia)


@pytest.mark.parametrize("days", [0, 31])
def test_a_time_that_is_none_and_tasks_that_are_no_choice_are_refused(
    alice: Labeler, mia: User, days: int
) -> None:
    tasks = list(writing_batch(tasks=1).tasks.all())
    with pytest.raises(InvalidInput, match=f"1 to 30 days; this is {days}"):
        give_tasks(tasks=tasks, labeler=alice, days=days, by=mia)
    elsewhere = list(writing_batch(tasks=1).tasks.all())
    for wrong in ([], [*tasks, *elsewhere]):
        with pytest.raises(InvalidInput, match="tasks of one batch"):
            give_tasks(tasks=wrong, labeler=alice, days=1, by=mia)


def test_a_given_task_is_taken_back_until_its_labeler_begins_it(alice: Labeler, mia: User) -> None:
    batch = writing_batch(tasks=1)
    for _ in range(2):
        give_tasks(tasks=list(batch.tasks.all()), labeler=alice, days=1, by=mia)
        mine = Assignment.objects.leased().select_related("batch", "labeler").get()
        take_back(assignment=mine, by=mia)
        assert (held_by(alice), Assignment.objects.open().count()) == (set(), 1)
    give_tasks(tasks=list(batch.tasks.all()), labeler=alice, days=1, by=mia)
    mine = Assignment.objects.leased().select_related("batch", "labeler").get()
    assignments.save_draft(assignment=mine, version=0, payload={"text": "Begun"})
    with pytest.raises(Conflict, match="has begun"):
        take_back(assignment=mine, by=mia)
    assert AuditEvent.objects.filter(action="take_back_task").count() == 2
