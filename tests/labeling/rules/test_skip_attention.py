"""Who skips much: shown from the share on that managers set, and nothing more."""

import pytest

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import AuditEvent, Labeler, TaskKind, User
from labeling.rules import assignments, demonstrations, skip_attention
from tests.factories import claimed, writing_batch

pytestmark = pytest.mark.django_db


def work(labeler: Labeler, *, submits: int, skips: int) -> None:
    """Finish tasks, some of them by skipping."""
    writing_batch(tasks=submits + skips)
    for number in range(submits + skips):
        mine = claimed(labeler, TaskKind.DEMONSTRATION)
        if number < skips:
            assignments.skip(assignment=mine, reason="unclear")
        else:
            demonstrations.submit_demonstration(assignment=mine, text="Yes.", idempotency_key=str(mine.code))


def test_whoever_skips_more_than_was_set_is_shown_with_reasons(alice: Labeler, mia: User) -> None:
    work(alice, submits=3, skips=2)
    assert list(skip_attention.needing_attention()) == []  # 5 tasks: too few to say anything
    skip_attention.change_threshold(percent=30, least_tasks=5, by=mia)
    (found,) = skip_attention.needing_attention()
    assert (found, found.finished, found.passed_on, found.unclear) == (alice, 5, 2, 2)  # type: ignore[attr-defined]
    assert skip_attention.labeler_needs_attention(alice) == skip_attention.Threshold(30, 5)
    alice.refresh_from_db()
    assert alice.status == Labeler.Status.ACTIVE  # shown, and nothing more


def test_the_share_itself_is_still_fine(alice: Labeler, mia: User) -> None:
    work(alice, submits=3, skips=2)
    skip_attention.change_threshold(percent=40, least_tasks=5, by=mia)
    assert list(skip_attention.needing_attention()) == []
    assert skip_attention.labeler_needs_attention(alice) is None


def test_another_threshold_leaves_an_audit_row(mia: User, dana: User) -> None:
    skip_attention.change_threshold(percent=10, least_tasks=50, by=mia)
    assert AuditEvent.objects.get(action="change_skip_attention").detail["percent"] == 10
    assert skip_attention.current_threshold() == skip_attention.Threshold(10, 50)
    with pytest.raises(Conflict):
        skip_attention.change_threshold(percent=10, least_tasks=50, by=mia)
    with pytest.raises(NotPermitted):
        skip_attention.change_threshold(percent=11, least_tasks=50, by=dana)
    with pytest.raises(InvalidInput):
        skip_attention.change_threshold(percent=0, least_tasks=50, by=mia)
