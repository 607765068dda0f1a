"""Batches: listed, made, opened, watched, closed."""

from typing import Any

import pytest
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from labeling.models import Batch, Candidate, Labeler, Policy, Prompt, Split, TaskKind, User
from labeling.rules import assignments
from tests.factories import (
    PolicyFactory,
    PromptFactory,
    ResponseFactory,
    claimed,
    ranked_batch,
    writing_batch,
)
from tests.labeling.views.conftest import Visit


def body(**changes: Any) -> dict[str, Any]:
    base = {
        "name": "Round 2", "kind": "demonstration", "count": "2", "is_fresh": "on", "k": "4",
        "cohorts": ["train"], "overlap": "2", "shared_percent": "50", "priority": "0", "lease_minutes": "30",
    }  # fmt: skip
    return base | changes


@pytest.fixture
def answered(db: None) -> list[Policy]:
    """Three prompts, each answered by three policies."""
    policies = PolicyFactory.create_batch(3)
    for prompt in PromptFactory.create_batch(3):
        for policy in policies:
            ResponseFactory.create(prompt=prompt, policy=policy)
    return policies


def test_good_form_makes_a_draft_with_tasks_drawn(mia: User, visit: Visit) -> None:
    PromptFactory.create_batch(3)
    answer = visit(mia).post(reverse("batch-create"), body())
    batch = Batch.objects.get()
    assert answer["Location"] == reverse("batch-detail", args=[batch.code])
    assert (batch.status, batch.tasks.count(), batch.overlap, batch.lease_seconds) == ("draft", 2, 2, 1800)
    assert batch.tasks.filter(is_shared=True).count() == 1


def test_ranked_form_makes_tasks_of_k_responses_by_the_chosen_policies(
    mia: User, answered: list[Policy], visit: Visit
) -> None:
    chosen = [str(policy.pk) for policy in answered[:2]]
    visit(mia).post(
        reverse("batch-create"), body(kind="comparison", k="2", policies=chosen, count="3", presort="on")
    )
    batch = Batch.objects.get()
    assert batch.settings["presort"] is True
    writers = set(Candidate.objects.filter(task__batch=batch).values_list("response__policy", flat=True))
    assert writers == {policy.pk for policy in answered[:2]}
    assert Candidate.objects.count() == 6


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"count": "5"}, "Only 3 prompts match; ask for 3 or fewer."),
        ({"language": "de"}, "Select a valid choice"),
        ({"split": "test"}, "Prompts of test authors never train"),
        ({"cohorts": ["held_out"]}, "Held-out labelers take only final evaluations"),
        ({"cohorts": []}, "This field is required"),
        ({"kind": "comparison"}, "Choose at least one policy"),
        ({"overlap": "0"}, "greater than or equal to 1"),
        ({"shared_percent": "140"}, "less than or equal to 100"),
        ({"deadline_at": "2020-01-01T10:00"}, "The deadline is over already"),
    ],
)
def test_bad_form_is_refused_with_what_is_allowed(
    mia: User, answered: list[Policy], visit: Visit, changes: dict[str, Any], sentence: str
) -> None:
    answer = visit(mia).post(reverse("batch-create"), body(**changes))
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Batch.objects.exists()


def test_too_few_responses_are_counted_honestly(mia: User, answered: list[Policy], visit: Visit) -> None:
    PromptFactory.create_batch(5)  # without responses
    chosen = [str(policy.pk) for policy in answered]
    answer = visit(mia).post(
        reverse("batch-create"), body(kind="comparison", k="3", policies=chosen, count="8")
    )
    assert "Only 3 prompts match and have 3 responses by these policies" in answer.content.decode()


def test_test_prompts_held_prompts_and_personal_data_are_never_drawn_for_training(
    mia: User, visit: Visit
) -> None:
    PromptFactory.create(split=Split.TEST)
    PromptFactory.create(held_reason="over_cap")
    PromptFactory.create(has_pii=True)
    good = PromptFactory.create()
    visit(mia).post(reverse("batch-create"), body(count="1"))
    assert Prompt.objects.get(tasks__batch=Batch.objects.get()) == good


def test_preview_shows_a_task_as_labelers_see_it_and_makes_nothing(
    mia: User, answered: list[Policy], visit: Visit
) -> None:
    chosen = [str(policy.pk) for policy in answered]
    sent = body(kind="comparison", k="3", policies=chosen, count="3", preview="1")
    answer = visit(mia).post(reverse("batch-create"), sent, headers={"HX-Request": "true"})
    page = answer.content.decode()
    assert "3 prompts match" in page
    assert "Response C" in page
    preview = page.split('id="batch-preview"')[1]
    assert all(policy.name not in preview for policy in answered)
    assert not Batch.objects.exists()


def test_opening_and_closing_move_the_batch_and_say_what_follows(mia: User, visit: Visit) -> None:
    PromptFactory.create_batch(2)
    client = visit(mia)
    client.post(reverse("batch-create"), body())
    batch = Batch.objects.get()
    assert b"is open" in client.post(reverse("batch-open", args=[batch.code]), follow=True).content
    again = client.post(reverse("batch-open", args=[batch.code]), follow=True)
    assert b"is not a draft" in again.content
    assert b"is closed" in client.post(reverse("batch-close", args=[batch.code]), follow=True).content
    batch.refresh_from_db()
    assert batch.status == "closed"


def test_detail_shows_progress_labelers_and_skips_with_reasons(
    mia: User, alice: Labeler, visit: Visit
) -> None:
    batch = ranked_batch(tasks=3)
    mine = claimed(alice, TaskKind.COMPARISON)
    assignments.skip(assignment=mine, reason="broken", note="All three are cut off")
    page = visit(mia).get(reverse("batch-detail", args=[batch.code])).content.decode()
    for part in ("0 of 3 labels", "L-ALICE", "Every response is broken", "All three are cut off"):
        assert part in page


def test_progress_refreshes_alone(mia: User, visit: Visit) -> None:
    batch = writing_batch(tasks=1)
    url = reverse("batch-detail", args=[batch.code])
    answer = visit(mia).get(url, headers={"HX-Request": "true"})
    assert answer.content.strip().startswith(b"<section")


def test_list_costs_the_same_for_two_batches_as_for_twelve(
    mia: User, visit: Visit, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = visit(mia)
    for _ in range(2):
        writing_batch(tasks=1)
    with django_assert_num_queries(5):
        client.get(reverse("batch-list"))
    for _ in range(10):
        writing_batch(tasks=1)
    with django_assert_num_queries(5):
        page = client.get(reverse("batch-list")).content.decode()
    assert page.count("0 of 1") >= 12


def test_empty_list_says_how_to_begin(mia: User, visit: Visit) -> None:
    page = visit(mia).get(reverse("batch-list")).content.decode()
    assert "No batches yet" in page
    assert reverse("batch-create") in page
    assert b"No batch fits this filter" in visit(mia).get(reverse("batch-list"), {"status": "open"}).content
