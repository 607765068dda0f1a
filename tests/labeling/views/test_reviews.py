"""Reviewing pages: queues, decisions, orders side by side, gold nobody can tell, flags answered."""

import pytest
from django.urls import reverse

from labeling.models import (
    Adjudication,
    Demonstration,
    FlagAnswer,
    GoldAnswer,
    Labeler,
    Ranking,
    Review,
    Task,
    TaskKind,
    User,
)
from labeling.rules import adjudications, assignments, demonstrations, flags, gold, reviews
from tests.factories import claimed, qualified_labeler, ranked_batch, writing_batch
from tests.labeling.rules.test_reviews import order, ranked, written
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db
PAGES = ("review-list", "flag-list", "adjudication-list", "gold-list")


def disagree(alice: Labeler) -> Task:
    """Let two labelers rank one task against each other."""
    ranked_batch(tasks=1, k=3, overlap=2)
    ranked(alice)
    return ranked(qualified_labeler(), reverse=True).task


@pytest.mark.parametrize("route", PAGES)
def test_empty_pages_say_what_belongs_there(dana: User, visit: Visit, route: str) -> None:
    assert 'class="empty"' in visit(dana).get(reverse(route)).content.decode()


@pytest.mark.parametrize("route", [*PAGES, "review-next", "audit-list"])
def test_labelers_open_none_of_it(alice: Labeler, visit: Visit, route: str) -> None:
    assert visit(alice).get(reverse(route)).status_code == 403


def test_managers_neither_see_gold_nor_settle(alice: Labeler, mia: User, visit: Visit) -> None:
    task = disagree(alice)
    for url in (
        reverse("gold-list"), reverse("adjudication-list"), reverse("gold-mark", args=[task.code]),
        reverse("adjudicate", args=[task.code]),
    ):  # fmt: skip
        assert visit(mia).get(url).status_code == 403


def test_reviewer_grades_and_is_led_to_the_next_without_learning_a_name(
    alice: Labeler, mia: User, visit: Visit
) -> None:
    writing_batch(tasks=2)
    first, second = written(alice), written(alice)
    client = visit(mia)
    assert "2 demonstrations wait" in client.get(reverse("review-list")).content.decode()
    assert client.get(reverse("review-next"))["Location"] == reverse("review-detail", args=[first.code])
    url = reverse("review-detail", args=[first.code])
    page = client.get(url).content.decode()
    assert first.text in page
    assert "L-ALICE" not in page
    assert "Alice" not in page
    sent = {"decision": "accepted", "grade": "6", "comment": "", "text": first.text}
    assert client.post(url, sent)["Location"] == reverse("review-detail", args=[second.code])
    review = Review.objects.get()
    assert (review.demonstration, review.grade, review.by) == (first, 6, mia)
    client.post(reverse("review-undo", args=[review.code]))
    assert Review.objects.newest().get(demonstration=first).decision == "reopened"


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"decision": "accepted"}, "Grade what you accept, 1 to 7."),
        ({"decision": "returned", "grade": "2"}, "must learn why"),
        ({"decision": "fixed", "grade": "5"}, "Nothing was changed"),
        ({"decision": "splendid"}, "Select a valid choice"),
    ],
)
def test_unfit_review_is_refused_and_keeps_what_was_written(
    alice: Labeler, mia: User, visit: Visit, sent: dict[str, str], sentence: str
) -> None:
    writing_batch(tasks=1)
    row = written(alice)
    answer = visit(mia).post(
        reverse("review-detail", args=[row.code]), {"text": row.text, "comment": "", **sent}
    )
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert not Review.objects.exists()


def test_reviewer_fixes_in_place(alice: Labeler, mia: User, visit: Visit) -> None:
    writing_batch(tasks=1)
    row = written(alice)
    visit(mia).post(
        reverse("review-detail", args=[row.code]),
        {"decision": "fixed", "grade": "5", "text": "Sleep\r\nin the dark.", "comment": "Two lines"},
    )
    assert Demonstration.objects.newest().get().text == "Sleep\nin the dark."
    assert "newer revision" in visit(mia).get(reverse("review-detail", args=[row.code])).content.decode()


def test_orders_stand_side_by_side_without_names_or_policies_and_one_is_decided(
    alice: Labeler, dana: User, visit: Visit
) -> None:
    task = disagree(alice)
    client = visit(dana)
    assert "0.0 %" in client.get(reverse("adjudication-list")).content.decode()
    url = reverse("adjudicate", args=[task.code])
    page = client.get(url).content.decode()
    assert "Labeler 2" in page
    assert "L-ALICE" not in page
    assert "secret-policy" not in page
    ranks = {f"rank-{judgement.code}": str(judgement.rank) for judgement in order(task)}
    missing = client.post(url, {**ranks, "reason": "", f"rank-{order(task)[0].code}": ""})
    assert missing.status_code == 422
    assert "Response A has no rank" in missing.content.decode()
    client.post(url, {**ranks, "reason": "It names its source"})
    assert Adjudication.objects.get().reason == "It names its source"
    assert Ranking.objects.count() == 3
    assert (
        "It names its source"
        in client.get(reverse("adjudication-list"), {"state": "settled"}).content.decode()
    )


def test_gold_is_marked_from_a_task_and_withdrawn(dana: User, visit: Visit) -> None:
    batch = ranked_batch(tasks=1, k=2)
    task = Task.objects.get()
    client = visit(dana)
    assert (
        reverse("gold-mark", args=[task.code])
        in client.get(reverse("batch-tasks", args=[batch.code])).content.decode()
    )
    ranks = {f"rank-{judgement.code}": str(judgement.rank) for judgement in order(task)}
    client.post(reverse("gold-mark", args=[task.code]), {**ranks, "reason": "True"})
    marked = GoldAnswer.objects.current().get()
    assert "True" in client.get(reverse("gold-list")).content.decode()
    client.post(reverse("gold-withdraw", args=[marked.code]))
    assert not GoldAnswer.objects.current().exists()


def test_nothing_a_labeler_receives_says_gold_or_anchor(alice: Labeler, dana: User, visit: Visit) -> None:
    ranked_batch(tasks=1, k=2)
    task = Task.objects.get()
    plain = visit(alice).post(reverse("task-next", args=[TaskKind.COMPARISON]))["Location"]
    before = visit(alice).get(plain).content.decode()
    gold.mark_gold(task=task, judgements=order(task), reason="Because it is so", by=dana)
    Task.objects.update(is_anchor=True)
    after = visit(alice).get(plain).content.decode()
    for word in ("gold", "anchor-", "Because it is so"):
        assert after.count(word) == before.count(word)
    for address in ("gold-list", "adjudication-list"):
        assert visit(alice).get(reverse(address)).status_code == 403


def test_flags_are_answered_on_their_page(alice: Labeler, mia: User, visit: Visit) -> None:
    writing_batch(tasks=2)
    skip = assignments.skip(
        assignment=claimed(alice, TaskKind.DEMONSTRATION), reason="broken", note="<b>cut</b>"
    )
    client = visit(mia)
    page = client.get(reverse("flag-list")).content.decode()
    assert "&lt;b&gt;cut" in page
    url = reverse("flag-answer", args=["skips", skip.assignment.code])
    client.post(url, {"text": "", "outcome": "answered"})
    assert not FlagAnswer.objects.exists()
    client.post(url, {"text": "Mended.", "outcome": "answered"})
    assert FlagAnswer.objects.get().text == "Mended."
    answered = client.get(reverse("flag-list"), {"source": "skips", "state": "answered"}).content.decode()
    assert "Mended." in answered
    assert (
        client.post(reverse("flag-answer", args=["skips", "nonsense"]), {"outcome": "answered"}).status_code
        == 404
    )


def test_settled_task_is_looked_at_again(alice: Labeler, dana: User, visit: Visit) -> None:
    task = disagree(alice)
    adjudications.adjudicate(task=task, judgements=order(task), reason="So be it", by=dana)
    page = visit(dana).get(reverse("adjudicate", args=[task.code])).content.decode()
    assert "Settled by Dana" in page


def test_labeler_reads_the_decision_and_its_reason_on_the_receipt_and_answers_in_the_list(
    alice: Labeler, mia: User, visit: Visit
) -> None:
    writing_batch(tasks=3)
    fixed, returned = written(alice), written(alice)
    reviews.fix_demonstration(demonstration=fixed, text="Mended.", comment="Shorter", by=mia)
    reviews.review_demonstration(demonstration=returned, decision="returned", comment="Three tips", by=mia)
    skip = assignments.skip(assignment=claimed(alice, TaskKind.DEMONSTRATION), reason="unclear")
    flags.answer_skip(skip=skip, text="It was meant so.", by=mia)
    client = visit(alice)
    for row, words in (
        (fixed, ("Accepted with changes", "Shorter")),
        (returned, ("Returned to you", "Three tips")),
    ):
        receipt = alice.receipts.get(assignment=row.assignment)
        page = client.get(reverse("receipt-detail", args=[receipt.code])).content.decode()
        assert all(word in page for word in words)
        assert "Mia" not in page
    assert "It was meant so." in client.get(reverse("receipt-list")).content.decode()


def test_returned_demonstration_is_offered_to_its_labeler_until_handed_in_anew(
    alice: Labeler, mia: User, visit: Visit
) -> None:
    writing_batch(tasks=2)
    mine = written(alice)
    written(alice)  # so that it is not the last one, which may be revised anyway
    reviews.review_demonstration(demonstration=mine, decision="returned", comment="Three tips", by=mia)
    receipt = alice.receipts.get(assignment=mine.assignment)
    client = visit(alice)
    work = client.get(reverse("work")).content.decode()
    assert (
        reverse("receipt-detail", args=[receipt.code])
        in work.partition("returned-title")[2].partition("</section>")[0]
    )
    page = client.get(reverse("receipt-detail", args=[receipt.code])).content.decode()
    assert "<h1>Returned to you</h1>" in page
    assert "Revise it" in page
    task = client.post(reverse("receipt-reopen", args=[receipt.code]), follow=True)
    assert mine.text in task.content.decode()
    assert "A reviewer returned this to you." in task.content.decode()
    assert "Three tips" in task.content.decode()
    assert "Leave it as it was" not in task.content.decode()
    assert mine.assignment is not None
    demonstrations.submit_demonstration(
        assignment=mine.assignment, text="Three tips.", idempotency_key="anew"
    )
    assert "returned-title" not in client.get(reverse("work")).content.decode()
    assert "Revise it" not in client.get(reverse("receipt-detail", args=[receipt.code])).content.decode()
