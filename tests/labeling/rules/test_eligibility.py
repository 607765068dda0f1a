"""Who is served what: deadlines, changed guidelines, opting out, and tasks prepared ahead."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from labeling.errors import NotPermitted
from labeling.models import Assignment, Batch, Preferences, Role, Skip, TaskKind
from labeling.rules import assignments, batches, guidelines, workload
from labeling.rules.demonstrations import submit_demonstration
from labeling.rules.text_changes import changes_between
from tests.factories import (
    PromptFactory,
    UserFactory,
    claimed,
    qualified_labeler,
    ranked_batch,
    writing_batch,
)

pytestmark = pytest.mark.django_db
KIND = TaskKind.DEMONSTRATION


def new_guideline(kind: str = KIND) -> Any:
    manager = UserFactory.create(role=Role.MANAGER)
    return guidelines.publish_guideline(kind=kind, title="Writing", body="Write it well, please.", by=manager)


def test_no_claim_after_the_deadline_but_leases_may_finish() -> None:
    batch = writing_batch(tasks=2)
    alice = qualified_labeler()
    slot = claimed(alice, KIND)
    Batch.objects.filter(pk=batch.pk).update(deadline_at=timezone.now() - timedelta(seconds=1))
    assert assignments.claim_next(labeler=qualified_labeler(), kind=KIND) is None
    assert workload.count_open(qualified_labeler(), KIND) == 0
    receipt = submit_demonstration(assignment=slot, text="In time.", idempotency_key="a")
    assert not receipt.is_surplus


def test_first_guideline_needs_no_acknowledgement_and_a_changed_one_does() -> None:
    writing_batch(tasks=1)
    alice = qualified_labeler()
    slot = claimed(alice, KIND)
    newer = new_guideline()
    writing_batch(tasks=2)
    assert assignments.claim_next(labeler=alice, kind=KIND) == slot  # what is in hand goes on
    submit_demonstration(assignment=slot, text="Done.", idempotency_key="a")
    with pytest.raises(NotPermitted) as refusal:
        assignments.claim_next(labeler=alice, kind=KIND)
    assert refusal.value.reason_code == "guideline_changed"
    assert refusal.value.fields == {"guideline": str(newer.code)}
    assert guidelines.known_before(guideline=newer, labeler=alice) == slot.batch.guideline
    guidelines.acknowledge(guideline=newer, labeler=alice)
    guidelines.acknowledge(guideline=newer, labeler=alice)
    assert claimed(alice, KIND).batch.guideline == newer


def test_a_published_guideline_without_open_work_under_it_holds_nobody_up() -> None:
    writing_batch(tasks=1)
    new_guideline()
    assert claimed(qualified_labeler(), KIND)


def test_changes_are_shown_word_by_word() -> None:
    parts = changes_between("Be kind and short.", "Be kind, clear and short.")
    assert "".join(part.text for part in parts if part.kind != "removed") == "Be kind, clear and short."
    assert "".join(part.text for part in parts if part.kind != "added") == "Be kind and short."
    assert [part.text for part in parts if part.kind == "removed"] == ["kind"]


def test_who_opts_out_gets_no_prompt_flagged_as_sensitive_or_skipped_as_harmful() -> None:
    calm = PromptFactory.create(tags={"ambiguous": True})
    flagged = PromptFactory.create(tags={"sensitive_content": True})
    reported = PromptFactory.create()
    from labeling.rules import batches

    batch = batches.create_batch(name="Writing", kind=KIND)
    batches.add_writing_tasks(batch=batch, prompts=[calm, flagged, reported])
    batches.open_batch(batch=batch)
    slot = Assignment.objects.get(task__prompt=reported)
    bob = qualified_labeler()
    Assignment.objects.filter(pk=slot.pk).update(state="leased", labeler=bob, lease_expires_at=timezone.now())
    assignments.skip(assignment=slot, reason=Skip.Reason.HARMFUL)
    alice = qualified_labeler()
    Preferences.objects.create(labeler=alice, avoids_distressing=True)
    assert workload.count_open(alice, KIND) == 1
    mine = claimed(alice, KIND)
    assert mine.task.prompt == calm
    submit_demonstration(assignment=mine, text="Calm.", idempotency_key="a")
    assert assignments.claim_next(labeler=alice, kind=KIND) is None
    assert workload.count_open(qualified_labeler(), KIND) == 2


def test_who_opts_out_gets_no_toxicity_tasks() -> None:
    ranked_batch(tasks=1, kind=TaskKind.TOXICITY)
    alice = qualified_labeler()
    Preferences.objects.create(labeler=alice, avoids_distressing=True)
    assert assignments.claim_next(labeler=alice, kind=TaskKind.TOXICITY) is None


def test_next_task_is_prepared_ahead_but_never_more_than_the_setting_allows(settings: Any) -> None:
    settings.TASKS_IN_HAND = 2
    writing_batch(tasks=4)
    alice = qualified_labeler()
    assert assignments.prepare_next(labeler=alice, kind=KIND) is None  # nothing is at work
    first = claimed(alice, KIND)
    second = assignments.prepare_next(labeler=alice, kind=KIND)
    assert second is not None
    assert assignments.prepare_next(labeler=alice, kind=KIND) is None
    assert claimed(alice, KIND) == first  # the one at work stays the one at work
    submit_demonstration(assignment=first, text="Done.", idempotency_key="a")
    assert claimed(alice, KIND) == second
    settings.TASKS_IN_HAND = 1
    assert assignments.prepare_next(labeler=alice, kind=KIND) is None


def test_work_on_one_task_keeps_the_prepared_one() -> None:
    writing_batch(tasks=2)
    alice = qualified_labeler()
    first = claimed(alice, KIND)
    second = assignments.prepare_next(labeler=alice, kind=KIND)
    assert second is not None
    Assignment.objects.filter(pk=second.pk).update(lease_expires_at=timezone.now() + timedelta(seconds=5))
    beaten = assignments.heartbeat(assignment=first, active_seconds=30)
    second.refresh_from_db()
    assert second.lease_expires_at == beaten.lease_expires_at


def test_what_is_prepared_and_untouched_can_be_given_back() -> None:
    writing_batch(tasks=2)
    alice = qualified_labeler()
    first = claimed(alice, KIND)
    assignments.save_draft(assignment=first, version=0, payload={"text": "Begun"})
    assert assignments.prepare_next(labeler=alice, kind=KIND)
    assert assignments.give_back(labeler=alice, kind=KIND) == 1
    assert claimed(alice, KIND) == first
    assert claimed(qualified_labeler(), KIND)


def test_labelers_get_prompts_in_their_languages_and_those_in_none() -> None:
    batch = batches.create_batch(name="Many languages", kind=KIND)
    prompts = [PromptFactory.create(language=language) for language in ("de", "en", "")]
    batches.add_writing_tasks(batch=batch, prompts=prompts)
    batches.open_batch(batch=batch)
    german = qualified_labeler(languages=["de"])
    assert workload.count_open(german, KIND) == 2
    got = set()
    while (mine := assignments.claim_next(labeler=german, kind=KIND)) is not None:
        assert mine.task.prompt is not None
        got.add(mine.task.prompt.language)
        assignments.skip(assignment=mine, reason="unclear")
    assert got == {"de", ""}
    assert workload.count_open(qualified_labeler(), KIND) == 3
