"""Reviews: graded, fixed, returned, left out; gold, final orders and answers to flags."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.db import connections

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import (
    Assignment,
    AuditEvent,
    Demonstration,
    Draft,
    GoldAnswer,
    Labeler,
    Place,
    Ranking,
    Response,
    Review,
    Task,
    TaskKind,
    User,
)
from labeling.rules import (
    adjudications,
    assignments,
    comparisons,
    demonstrations,
    flags,
    gold,
    response_reports,
    reviews,
    revisions,
    slots,
)
from labeling.rules.judgements import Judgement
from labeling.rules.prompt_judgements import AboutPrompt
from tests.factories import (
    LabelerFactory,
    PolicyFactory,
    PromptFactory,
    claimed,
    qualified_labeler,
    ranked_batch,
    writing_batch,
)

pytestmark = pytest.mark.django_db
WRITING, RANKING = TaskKind.DEMONSTRATION, TaskKind.COMPARISON
Decision = Review.Decision


def written(labeler: Labeler, text: str = "Sleep in the dark.") -> Demonstration:
    mine = claimed(labeler, WRITING)
    demonstrations.submit_demonstration(assignment=mine, text=text, idempotency_key=f"{mine.code}-{text}")
    return Demonstration.objects.newest().get(assignment=mine)


def ranked(labeler: Labeler, *, reverse: bool = False, notes: str = "") -> Ranking:
    """Rank by the task's own order, or against it."""
    mine = claimed(labeler, RANKING)
    comparisons.submit_ranking(
        assignment=mine,
        judgements=order(mine.task, reverse=reverse),
        idempotency_key=str(mine.code),
        notes=notes,
    )
    return Ranking.objects.get(assignment=mine)


def order(task: Task, *, reverse: bool = False) -> list[Judgement]:
    codes = [candidate.response.code for candidate in task.candidates.order_by("position")]
    return [
        Judgement(code, len(codes) - place if reverse else place + 1, 4) for place, code in enumerate(codes)
    ]


def test_accepted_demonstration_leaves_the_queue_with_its_grade(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=2)
    first, second = written(alice), written(alice)
    assert list(reviews.demonstrations_in("waiting").order_by("pk")) == [first, second]
    assert reviews.next_waiting() == first
    reviews.review_demonstration(demonstration=first, decision="accepted", grade=6, comment="Clear", by=mia)
    assert list(reviews.demonstrations_in("waiting")) == [second]
    row = reviews.demonstrations_in("accepted").get()
    assert (row, row.reviews.get().grade) == (first, 6)
    assert first.assignment is not None
    state = reviews.review_of(first.assignment)
    assert state is not None
    assert (state.label, state.grade, state.comment) == ("Accepted", 6, "Clear")


def test_fixed_demonstration_is_a_new_revision_and_the_labelers_text_stays(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=1)
    mine = written(alice, "Sleep in teh dark.")
    reviews.fix_demonstration(demonstration=mine, text="Sleep in the dark.", by=mia, grade=5)
    newest = Demonstration.objects.newest().get()
    assert (newest.text, newest.revision, newest.supersedes, newest.fixed_by) == (
        "Sleep in the dark.", 2, mine, mia
    )  # fmt: skip
    assert newest.labeler == alice
    mine.refresh_from_db()
    assert mine.text == "Sleep in teh dark."
    assert mine.assignment is not None
    state = reviews.review_of(mine.assignment)
    assert state is not None
    assert state.label == "Accepted with changes"
    with pytest.raises(Conflict, match="newer revision"):
        reviews.review_demonstration(demonstration=mine, decision="accepted", by=mia)


def test_returned_demonstration_is_in_its_labelers_hand_again(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=1)
    mine = written(alice)
    with pytest.raises(InvalidInput, match="must learn why"):
        reviews.review_demonstration(demonstration=mine, decision="returned", by=mia)
    reviews.review_demonstration(
        demonstration=mine, decision="returned", by=mia, comment="Three tips were asked for"
    )
    slot = Assignment.objects.get()
    assert slot.reopened_at is not None
    state = reviews.review_of(slot)
    assert state is not None
    assert state.is_returned
    assert state.comment == "Three tips were asked for"
    demonstrations.submit_demonstration(assignment=slot, text="One. Two. Three.", idempotency_key="again")
    assert reviews.review_of(slot) is None  # the revision waits for a review of its own
    assert reviews.demonstrations_in("waiting").get().text == "One. Two. Three."


def begun(slot: Assignment, text: str = "Twenty minutes of work") -> None:
    draft = slots.locked(slot).draft
    assignments.save_draft(assignment=slot, version=draft.version, payload={"text": text})


def revise(mine: Demonstration) -> Assignment:
    assert mine.assignment is not None
    return revisions.reopen_submission(receipt=mine.assignment.receipts.get())


def test_returning_twice_leaves_what_the_labeler_wrote_since(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=1)
    mine = written(alice)
    slot = Assignment.objects.get()
    reviews.review_demonstration(demonstration=mine, decision="returned", by=mia, comment="Longer")
    begun(slot)
    with pytest.raises(Conflict) as refusal:
        reviews.review_demonstration(demonstration=mine, decision="returned", by=mia, comment="Longer")
    assert refusal.value.reason_code == "already_returned"
    assert Draft.objects.get().payload == {"text": "Twenty minutes of work"}
    assert Review.objects.count() == 1


def test_returning_what_its_labeler_revises_already_says_why_and_leaves_the_draft(
    alice: Labeler, mia: User
) -> None:
    writing_batch(tasks=1)
    slot = revise(mine := written(alice))
    begun(slot)
    reviews.review_demonstration(demonstration=mine, decision="returned", by=mia, comment="Longer")
    assert Draft.objects.get().payload == {"text": "Twenty minutes of work"}
    state = reviews.review_of(slot)
    assert state is not None
    assert state.comment == "Longer"


def test_returned_draft_holds_all_that_was_submitted(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=1)
    slot = claimed(alice, WRITING)
    demonstrations.submit_demonstration(
        assignment=slot, text="One.", idempotency_key="a", about=AboutPrompt(category="chat")
    )
    mine = Demonstration.objects.get()
    reviews.review_demonstration(demonstration=mine, decision="returned", by=mia, comment="Longer")
    payload = Draft.objects.get().payload
    assert (payload["text"], payload["about_prompt"]["category"]) == ("One.", "chat")


def test_what_its_labeler_is_revising_is_not_fixed_over_their_head(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=1)
    slot = revise(mine := written(alice))
    begun(slot)
    with pytest.raises(Conflict, match="is revising it since") as refusal:
        reviews.fix_demonstration(demonstration=mine, text="Mended.", by=mia)
    assert refusal.value.reason_code == "being_revised"
    demonstrations.submit_demonstration(assignment=slot, text="Revised.", idempotency_key="again")
    assert Demonstration.objects.newest().get().text == "Revised."


def test_revision_that_nobody_began_gives_way_to_a_fix(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=1)
    slot = revise(mine := written(alice))
    reviews.fix_demonstration(demonstration=mine, text="Mended.", by=mia)
    slot.refresh_from_db()
    assert slot.reopened_at is None


def test_return_is_taken_back_only_while_nobody_has_begun_to_revise(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=1)
    mine = written(alice)
    slot = Assignment.objects.get()
    returned = reviews.review_demonstration(demonstration=mine, decision="returned", by=mia, comment="Longer")
    begun(slot)
    with pytest.raises(Conflict, match="is revising it since"):
        reviews.undo_review(review=returned, by=mia)
    demonstrations.submit_demonstration(assignment=slot, text="Revised.", idempotency_key="again")
    assert Demonstration.objects.newest().get().text == "Revised."


def test_stale_undo_of_a_rankings_review_leaves_the_newer_decision(alice: Labeler, mia: User) -> None:
    ranked_batch(tasks=1)
    ranking = ranked(alice)
    first = reviews.review_ranking(ranking=ranking, decision="accepted", by=mia)
    reviews.review_ranking(ranking=ranking, decision="excluded", by=mia, comment="Spam")
    with pytest.raises(Conflict, match="decided anew"):
        reviews.undo_review(review=first, by=mia)
    newest = ranking.reviews.newest().get()
    assert newest.decision == "excluded"
    assert reviews.undo_review(review=newest, by=mia).decision == "reopened"


@pytest.mark.django_db(transaction=True)
def test_fixing_and_handing_in_at_once_lose_nothing(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=4)
    for number in range(4):
        slot = revise(mine := written(alice, f"Words {number}."))
        begun(slot)
        barrier = threading.Barrier(2, timeout=30)
        faults: list[Exception] = []

        def hand_in(barrier: threading.Barrier = barrier, slot: Assignment = slot) -> None:
            barrier.wait()
            demonstrations.submit_demonstration(
                assignment=slot, text="Revised.", idempotency_key=str(slot.pk)
            )

        def fix(barrier: threading.Barrier = barrier, mine: Demonstration = mine) -> None:
            barrier.wait()
            with suppress(Conflict):  # being revised, or a newer revision, whichever comes first
                reviews.fix_demonstration(demonstration=mine, text="Mended.", by=mia)

        def work(step: Callable[[], None], faults: list[Exception] = faults) -> None:
            try:
                step()
            except Exception as error:
                faults.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work, args=(step,)) for step in (hand_in, fix)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not faults
        assert Demonstration.objects.newest().get(assignment=slot).text == "Revised."


def test_review_taken_back_lets_the_label_wait_again(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=1)
    mine = written(alice)
    review = reviews.review_demonstration(
        demonstration=mine, decision="returned", by=mia, comment="By mistake"
    )
    reviews.undo_review(review=review, by=mia)
    assert Assignment.objects.get().reopened_at is None
    assert reviews.demonstrations_in("waiting").get() == mine
    with pytest.raises(Conflict, match="decided anew"):
        reviews.undo_review(review=review, by=mia)
    assert Review.objects.count() == 2


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"decision": "splendid"}, "decision"),
        ({"decision": "accepted", "grade": 8}, "grade"),
        ({"decision": "excluded"}, "comment"),
        ({"decision": "accepted", "comment": "x" * 4001}, "comment"),
    ],
)
def test_review_that_does_not_fit_is_refused(
    alice: Labeler, mia: User, given: dict[str, Any], field: str
) -> None:
    writing_batch(tasks=1)
    with pytest.raises(InvalidInput) as refusal:
        reviews.review_demonstration(demonstration=written(alice), by=mia, **given)
    assert field in refusal.value.fields


def test_labelers_review_nothing(alice: Labeler) -> None:
    writing_batch(tasks=1)
    mine = written(alice)
    with pytest.raises(NotPermitted):
        reviews.review_demonstration(demonstration=mine, decision="accepted", by=alice.user)


def test_gold_is_a_researchers_and_says_how_a_ranking_meets_it(alice: Labeler, dana: User, mia: User) -> None:
    ranked_batch(tasks=1, k=3)
    task = Task.objects.get()
    with pytest.raises(NotPermitted):
        gold.mark_gold(task=task, judgements=order(task), reason="Clear", by=mia)
    marked = gold.mark_gold(task=task, judgements=order(task), reason="Only the first is true", by=dana)
    ranking = ranked(alice, reverse=True)
    mine = {str(place.response.code): place.rank for place in ranking.places.all()}
    assert gold.compare_ranks(mine, marked.ranks) == gold.GoldResult(3, 0)
    assert gold.compare_ranks(marked.ranks, marked.ranks).fraction == 1.0
    again = gold.mark_gold(
        task=task, judgements=order(task, reverse=True), reason="On second thoughts", by=dana
    )
    assert list(GoldAnswer.objects.current()) == [again]
    gold.withdraw_gold(gold=again, by=dana)
    with pytest.raises(Conflict):
        gold.withdraw_gold(gold=again, by=dana)


def test_gold_that_tells_nothing_apart_is_refused(dana: User) -> None:
    ranked_batch(tasks=1, k=2)
    task = Task.objects.get()
    tied = [Judgement(judgement.code, 1) for judgement in order(task)]
    with pytest.raises(InvalidInput, match="ties every response"):
        gold.mark_gold(task=task, judgements=tied, reason="Equal", by=dana)
    with pytest.raises(InvalidInput, match="reason"):
        gold.mark_gold(task=task, judgements=order(task), reason=" ", by=dana)


def test_disagreeing_task_is_found_and_settled_once(alice: Labeler, dana: User) -> None:
    ranked_batch(tasks=2, k=3, overlap=2)
    other = qualified_labeler()
    mine = ranked(alice)
    theirs = {ranked(other, reverse=True).task_id, ranked(other).task_id}
    ranked(alice)
    assert len(theirs) == 2
    found = [row for row in adjudications.disagreements() if row.task.pk == mine.task_id]
    found = found or adjudications.disagreements()
    row = found[0]
    assert row.agreement < 1
    settled = adjudications.adjudicate(
        task=row.task, judgements=order(row.task), reason="The first names its source", by=dana,
        leaves_out_others=True,
    )  # fmt: skip
    assert settled.ranking.labeler.cohort == "researcher"
    assert settled.ranking.labeler.user == dana
    assert row.task not in [again.task for again in adjudications.disagreements()]
    kept_out = Ranking.objects.filter(reviews.is_kept_out("ranking"))
    assert set(kept_out) == set(row.rankings)
    with pytest.raises(Conflict, match="already"):
        adjudications.adjudicate(task=row.task, judgements=order(row.task), reason="Again", by=dana)


def test_disagreements_over_more_than_a_thousand_responses_are_found_and_their_notes_listed() -> None:
    count, k = 120, 9
    batch = ranked_batch(tasks=1, k=2)
    prompt = PromptFactory.create()
    policy = PolicyFactory.create()
    tasks = Task.objects.bulk_create([Task(batch=batch, prompt=prompt, overlap=2) for _ in range(count)])
    responses = Response.objects.bulk_create(
        [Response(prompt=prompt, policy=policy, text=f"{n}", index=n) for n in range(count * k)]
    )
    for labeler, ranks in (
        (LabelerFactory.create(), range(1, 10)),
        (LabelerFactory.create(), range(9, 0, -1)),
    ):
        rankings = Ranking.objects.bulk_create([Ranking(task=task, labeler=labeler) for task in tasks])
        Place.objects.bulk_create(
            [
                Place(ranking=row, response=responses[n * k + at], rank=rank)
                for n, row in enumerate(rankings)
                for at, rank in enumerate(ranks)
            ]
        )
    assert [row.agreement for row in adjudications.disagreements(most=count)] == [0.0] * count
    slot = Assignment.objects.get()
    Ranking.objects.filter(labeler=labeler).update(notes="Hard to tell", assignment=slot)
    assert len(list(flags.notes_to_answer())) == count


def test_answer_to_a_skip_reaches_the_labelers_history_once(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=2)
    skip = assignments.skip(assignment=claimed(alice, WRITING), reason="broken", note="It stops mid-word")
    assignments.skip(assignment=claimed(alice, WRITING), reason="expertise")
    assert list(flags.skips_to_answer()) == [skip]
    with pytest.raises(InvalidInput, match="Write an answer"):
        flags.answer_skip(skip=skip, by=mia)
    flags.answer_skip(skip=skip, by=mia, text="Thank you: taken out.")
    assert not flags.skips_to_answer().exists()
    answered = flags.answers_for(alice)
    assert [(row.note, row.answer) for row in answered] == [("It stops mid-word", "Thank you: taken out.")]
    with pytest.raises(Conflict):
        flags.answer_skip(skip=skip, by=mia, text="Once more")


def test_reports_and_notes_are_answered_or_need_no_action(alice: Labeler, mia: User) -> None:
    ranked_batch(tasks=1, k=2)
    ranking = ranked(alice, notes="Both are about cats")
    assert ranking.assignment is not None
    response = ranking.task.candidates.all()[0].response
    report = response_reports.report_response(
        assignment=ranking.assignment, response=response.code, reason="harmful"
    )
    assert flags.count_open() == {"skips": 0, "reports": 1, "notes": 1}
    flags.answer_report(report=report, by=mia, outcome="no_action")
    flags.answer_note(ranking=ranking, by=mia, outcome="no_action")
    assert flags.count_open() == {"skips": 0, "reports": 0, "notes": 0}
    assert {row.answer for row in flags.answers_for(alice)} == {flags.NO_ACTION}


def test_every_decision_leaves_an_audit_row(alice: Labeler, mia: User) -> None:
    writing_batch(tasks=1)
    reviews.review_demonstration(demonstration=written(alice), decision="accepted", by=mia, grade=7)
    event = AuditEvent.objects.filter(action="review_demonstration").get()
    assert (event.actor, event.detail["decision"], event.detail["grade"]) == (mia, "accepted", 7)
