"""The labelers' start page, the next task, skipping."""

from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from labeling.models import Assignment, Labeler, Skip, TaskKind, User
from labeling.rules import claim_rate, demonstrations, labelers
from tests.factories import UserFactory, claimed, qualified_labeler, ranked_batch, writing_batch
from tests.labeling.views.conftest import Visit


def next_url(kind: str) -> str:
    return reverse("task-next", args=[kind])


def test_start_page_counts_what_is_waiting_for_this_person(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=3)
    ranked_batch(tasks=1)
    page = visit(alice).get(reverse("work")).content.decode()
    assert "3 tasks are waiting" in page
    assert "1 task is waiting" in page


def test_next_task_leads_to_the_page_of_its_kind(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    ranked_batch(tasks=1)
    client = visit(alice)
    answer = client.post(next_url("demonstration"))
    mine = Assignment.objects.leased().get()
    assert answer["Location"] == reverse("demonstration-write", args=[mine.code])
    assert "/comparisons/" in client.post(next_url("comparison"))["Location"]


def test_nobody_leafs_through_the_queue_by_asking_and_skipping(
    alice: Labeler, visit: Visit, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLAIMS_PER_MINUTE = 2
    monkeypatch.setattr(claim_rate, "time", SimpleNamespace(time=lambda: 65.0))  # five seconds into a minute
    writing_batch(tasks=5)
    client = visit(alice)
    client.post(next_url("demonstration"))
    pages = []
    for _ in range(2):
        held = Assignment.objects.leased().get()
        url = reverse("assignment-skip", args=[held.code])
        pages.append(client.post(url, {"reason": "unclear"}, follow=True).content.decode())
    assert "ask again in" not in pages[0]
    assert "ask again in 55 seconds" in pages[1]
    asked = client.post(next_url("demonstration"), follow=True)
    assert "more than 2 times within a minute" in asked.content.decode()
    assert not Assignment.objects.leased().exists()


def test_start_page_offers_the_task_in_hand_and_until_when_it_is_kept(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=2)
    mine = claimed(alice, TaskKind.DEMONSTRATION)
    page = visit(alice).get(reverse("work")).content.decode()
    assert reverse("demonstration-write", args=[mine.code]) in page
    assert "kept for you until" in page


def test_empty_queue_says_when_asking_again_makes_sense(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1, lease_seconds=120)
    claimed(qualified_labeler(), TaskKind.DEMONSTRATION)
    client = visit(alice)
    page = client.get(reverse("work")).content.decode()
    assert "1 task is in other hands; one may come free in about 2 minutes" in page
    assert client.post(next_url("demonstration"), follow=True).status_code == 200


def test_nothing_is_hoped_for_where_nobody_holds_a_task(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    mine = claimed(alice, TaskKind.DEMONSTRATION)
    demonstrations.submit_demonstration(assignment=mine, text="Done.", idempotency_key="k")
    page = visit(alice).get(reverse("work")).content.decode()
    assert "may come free" not in page
    assert "A manager opens the next batch" in page


def test_unqualified_labelers_are_told_why_they_get_nothing(bob: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    client = visit(bob)
    assert b"You are in screening" in client.get(reverse("work")).content
    answer = client.post(next_url("demonstration"), follow=True)
    assert b"Only active labelers get tasks" in answer.content
    assert not Assignment.objects.leased().exists()


def test_paused_labelers_read_the_reason_and_get_no_button(alice: Labeler, mia: User, visit: Visit) -> None:
    writing_batch(tasks=1)
    labelers.pause_labeler(labeler=alice, by=mia, reason="Holidays")
    page = visit(alice).get(reverse("work")).content.decode()
    assert "Holidays" in page
    assert "Next task" not in page


def test_times_are_in_the_zone_of_whoever_looks(db: None, visit: Visit) -> None:
    labeler = qualified_labeler(user=UserFactory.create(time_zone="Asia/Tokyo"))
    writing_batch(tasks=1)
    mine = claimed(labeler, TaskKind.DEMONSTRATION)
    assert mine.lease_expires_at is not None
    there = timezone.localtime(mine.lease_expires_at, ZoneInfo("Asia/Tokyo"))
    page = visit(labeler).get(reverse("work")).content.decode()
    assert f"{there:%H:%M}</time>" in page
    assert "Times are in Asia/Tokyo" in page


def test_skipping_needs_a_reason_and_passes_the_task_on(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    mine = claimed(alice, TaskKind.DEMONSTRATION)
    url = reverse("assignment-skip", args=[mine.code])
    client = visit(alice)
    refused = client.post(url, {"note": "hm"})
    assert refused.status_code == 422
    assert b"Choose a reason" in refused.content
    assert client.post(url, {"reason": "expertise"})["Location"] == reverse("work")
    assert Skip.objects.get().reason == "expertise"
    assert Assignment.objects.open().count() == 1


def test_a_skip_leads_to_the_next_task_of_that_kind(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=2)
    ranked_batch(tasks=1)
    mine = claimed(alice, TaskKind.DEMONSTRATION)
    client = visit(alice)
    page = client.post(reverse("assignment-skip", args=[mine.code]), {"reason": "expertise"}, follow=True)
    following = Assignment.objects.leased().get(labeler=alice)
    assert following.task_id != mine.task_id
    assert page.redirect_chain[-1][0] == reverse("demonstration-write", args=[following.code])
    assert "Passed on to another labeler" in page.content.decode()
    url = reverse("assignment-skip", args=[following.code])
    last = client.post(url, {"reason": "expertise"}, follow=True)
    assert last.redirect_chain[-1][0] == reverse("work")
    assert "Nothing more of that kind is open" in last.content.decode()


def test_a_skip_of_harmful_material_leads_to_a_pause_not_to_the_next_task(
    alice: Labeler, visit: Visit
) -> None:
    writing_batch(tasks=2)
    mine = claimed(alice, TaskKind.DEMONSTRATION)
    answer = visit(alice).post(reverse("assignment-skip", args=[mine.code]), {"reason": "harmful"})
    assert answer["Location"] == reverse("work")
    assert not Assignment.objects.leased().exists()


def test_skip_dialog_gets_only_its_part_of_the_page(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    mine = claimed(alice, TaskKind.DEMONSTRATION)
    url = reverse("assignment-skip", args=[mine.code])
    answer = visit(alice).post(url, {}, headers={"HX-Request": "true"})
    assert answer.status_code == 422
    assert b"<html" not in answer.content
    assert b'id="skip-form"' in answer.content
    led_on = visit(alice).post(url, {"reason": "unclear"}, headers={"HX-Request": "true"})
    assert led_on["HX-Redirect"] == reverse("work")


def test_nobody_opens_or_skips_the_task_of_somebody_else(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    ranked_batch(tasks=1)
    other = qualified_labeler()
    for kind, route in (
        (TaskKind.DEMONSTRATION, "demonstration-write"),
        (TaskKind.COMPARISON, "comparison-rank"),
    ):
        theirs = claimed(other, kind)
        client = visit(alice)
        assert client.get(reverse(route, args=[theirs.code])).status_code == 404
        assert (
            client.post(reverse("assignment-skip", args=[theirs.code]), {"reason": "unclear"}).status_code
            == 404
        )
    assert not Skip.objects.exists()


def test_preview_renders_what_was_written_and_nothing_hostile(alice: Labeler, visit: Visit) -> None:
    answer = visit(alice).post(reverse("work-preview"), {"text": "**bold** <script>alert(1)</script>"})
    assert b"<strong>bold</strong>" in answer.content
    assert b"<script" not in answer.content
    assert Client().post(reverse("work-preview"), {"text": "x"}).status_code == 302
