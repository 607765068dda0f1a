"""Readings come before the prompt: stored once and whole, and nothing is ranked without them."""

import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling.errors import AssignmentClosed, Conflict, InvalidInput, StaleDraft
from labeling.models import Assignment, Batch, Draft, Labeler, Ranking, Reading, TaskKind
from labeling.rules import assignments, batches, comparisons, erasure, history, readings, revisions, slots
from labeling.rules.disagreements import disagreed_task
from labeling.rules.judgements import Judgement
from labeling.rules.readings import Said
from tests.factories import claimed, qualified_labeler, ranked_batch

pytestmark = pytest.mark.django_db
COMPARISON = TaskKind.COMPARISON


def said_of(assignment: Assignment, *words: str) -> list[Said]:
    """Say something of each response; nothing stands for "cannot tell"."""
    codes = [response.code for response in comparisons.responses_in_display_order(assignment)]
    texts = [*words, *[""] * len(codes)]
    return [Said(code, text, cannot_tell=not text) for code, text in zip(codes, texts, strict=False)]


def judged(assignment: Assignment) -> list[Judgement]:
    return [
        Judgement(response.code, rank, 4)
        for rank, response in enumerate(comparisons.responses_in_display_order(assignment), start=1)
    ]


def stored(assignment: Assignment) -> list[tuple[str, bool]]:
    read = readings.readings_of(assignment)
    shown = comparisons.responses_in_display_order(assignment)
    return [(read[each.code].text, read[each.code].cannot_tell) for each in shown if each.code in read]


@pytest.fixture
def held(alice: Labeler) -> Assignment:
    """A comparison of three responses that Alice holds and is to read first."""
    ranked_batch(tasks=1, k=3, reads_first=True)
    return claimed(alice, COMPARISON)


def test_readings_are_stored_for_each_response_as_they_were_typed(held: Assignment) -> None:
    assert readings.are_awaited(held)
    words = ("It explains *why* the sky is blue\n\n<b>&</b>", " a recipe ")
    readings.store_readings(assignment=held, said=said_of(held, *words))
    assert stored(held) == [(words[0], False), (words[1], False), ("", True)]
    assert not readings.are_awaited(held)


def test_words_may_stand_beside_a_doubt(held: Assignment) -> None:
    said = [Said(each.code, "perhaps a poem", cannot_tell=True) for each in said_of(held)]
    readings.store_readings(assignment=held, said=said)
    assert stored(held) == [("perhaps a poem", True)] * 3


def test_first_readings_stand_however_often_others_are_sent(held: Assignment) -> None:
    readings.store_readings(assignment=held, said=said_of(held, "first"))
    readings.store_readings(assignment=held, said=said_of(held, "second"))
    readings.store_readings(assignment=held, said=())
    assert stored(held) == [("first", False), ("", True), ("", True)]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda said: said[:2], "is missing"),
        (lambda said: [*said, said[0]], "stands 2 times"),
        (lambda said: [*said, Said(UUID(int=7), "x")], "is not one of"),
        (lambda said: [*said[:2], Said(said[2].code, " \n")], "has no words"),
        (lambda said: [*said[:2], Said(said[2].code, "x" * 2001)], "has 2001 characters, at most 2000"),
        (lambda said: [*said[:2], Said(said[2].code, "a\x00b")], "contains a NUL character"),
    ],
)
def test_incomplete_readings_are_refused_naming_each_response(
    held: Assignment, change: Callable[[list[Said]], list[Said]], fault: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        readings.store_readings(assignment=held, said=change(said_of(held, "a", "b", "c")))
    assert fault in refused.value.message
    (named,) = refused.value.fields["readings"].values()
    assert fault in named
    assert not Reading.objects.exists()


def test_batch_that_does_not_ask_takes_none(alice: Labeler) -> None:
    ranked_batch(tasks=1, k=2)
    mine = claimed(alice, COMPARISON)
    assert not readings.are_awaited(mine)
    with pytest.raises(InvalidInput, match="asks for no readings"):
        readings.store_readings(assignment=mine, said=said_of(mine, "a", "b"))


def test_ranking_is_neither_submitted_nor_drafted_before_the_readings(held: Assignment) -> None:
    with pytest.raises(Conflict) as refused:
        comparisons.submit_ranking(assignment=held, judgements=judged(held), idempotency_key="k")
    assert refused.value.reason_code == "readings_first"
    with pytest.raises(InvalidInput):
        comparisons.submit_ranking(assignment=held, judgements=judged(held), idempotency_key="k" * 81)
    with pytest.raises(Conflict):
        assignments.save_draft(assignment=held, version=0, payload={"responses": [], "readings": []})
    assert not Ranking.objects.exists()
    assert not Draft.objects.exists()
    readings.store_readings(assignment=held, said=said_of(held, "a"))
    comparisons.submit_ranking(assignment=held, judgements=judged(held), idempotency_key="k")
    assert Ranking.objects.count() == 1


def test_readings_are_drafted_until_they_are_stored_and_a_late_draft_changes_nothing(
    held: Assignment,
) -> None:
    payload = {"readings": [{"code": held.display_order[0], "text": "half a", "cannot_tell": False}]}
    assert assignments.save_draft(assignment=held, version=0, payload=payload).version == 1
    readings.store_readings(assignment=held, said=said_of(held, "a"))
    draft = Draft.objects.get()
    assert (draft.payload, draft.version) == ({}, 2)
    for version in (1, 2):
        with pytest.raises(Conflict):
            assignments.save_draft(assignment=held, version=version, payload=payload)
    with pytest.raises(StaleDraft):
        assignments.save_draft(assignment=held, version=1, payload={"notes": ""})
    assignments.save_draft(assignment=held, version=2, payload={"notes": "so far"})
    assert Draft.objects.get().payload == {"notes": "so far"}


def test_late_readings_are_taken_and_those_of_a_skipped_task_are_not(held: Assignment) -> None:
    Assignment.objects.filter(pk=held.pk).update(lease_expires_at=timezone.now() - timedelta(minutes=1))
    assert assignments.reclaim_leases() == 1
    readings.store_readings(assignment=held, said=said_of(held, "late"))
    assert stored(held)[0] == ("late", False)


def test_task_is_skipped_before_its_prompt_was_seen(held: Assignment) -> None:
    assignments.skip(assignment=held, reason="harmful")
    with pytest.raises(AssignmentClosed, match="was skipped"):
        readings.store_readings(assignment=held, said=said_of(held, "a"))
    other = claimed(qualified_labeler(), COMPARISON)
    assert other.task_id == held.task_id
    assert readings.are_awaited(other)


def test_task_with_readings_is_not_given_back_to_others(held: Assignment, alice: Labeler) -> None:
    readings.store_readings(assignment=held, said=said_of(held, "a"))
    assert assignments.give_back(labeler=alice, kind=COMPARISON) == 0
    held.refresh_from_db()
    assert held.labeler == alice


def test_untouched_task_is_given_back(held: Assignment, alice: Labeler) -> None:
    assert assignments.give_back(labeler=alice, kind=COMPARISON) == 1


def test_readings_stay_when_a_ranking_is_taken_back_or_reopened(held: Assignment) -> None:
    readings.store_readings(assignment=held, said=said_of(held, "a"))
    receipt = comparisons.submit_ranking(assignment=held, judgements=judged(held), idempotency_key="1")
    assert not readings.are_awaited(revisions.undo_submission(receipt=receipt))
    again = comparisons.submit_ranking(assignment=held, judgements=judged(held), idempotency_key="2")
    assert not readings.are_awaited(revisions.reopen_submission(receipt=again))
    comparisons.submit_ranking(assignment=held, judgements=judged(held), idempotency_key="3")
    assert stored(held)[0] == ("a", False)
    assert Reading.objects.count() == 3


@pytest.mark.parametrize("kind", [TaskKind.TOXICITY, TaskKind.DEMONSTRATION, TaskKind.PROMPT])
def test_batch_of_another_kind_cannot_ask_for_readings(db: None, kind: TaskKind) -> None:
    with pytest.raises(InvalidInput, match=f"comparison, evaluation.*not for {kind.value}") as refused:
        batches.create_batch(name="No", kind=kind, reads_first=True)
    assert set(refused.value.fields) == {"reads_first"}


def test_final_evaluations_may_ask_too_and_nobody_asks_unless_told(db: None) -> None:
    assert readings.asks(batches.create_batch(name="A", kind=TaskKind.EVALUATION, reads_first=True))
    assert not readings.asks(batches.create_batch(name="B", kind=COMPARISON))
    assert "reads_first" not in Batch.objects.get(name="B").settings


def test_usual_claim_and_answer_ask_the_database_nothing_about_readings(alice: Labeler) -> None:
    ranked_batch(tasks=1, k=3)
    with CaptureQueriesContext(connection) as found:
        mine = claimed(alice, COMPARISON)
        assignments.save_draft(assignment=mine, version=0, payload={"notes": ""})
        comparisons.submit_ranking(assignment=mine, judgements=judged(mine), idempotency_key="k")
    assert not [query["sql"] for query in found.captured_queries if "labeling_reading" in str(query["sql"])]


def test_statement_that_checks_a_first_answer_stays_short_enough_to_be_sent_in_one_piece(db: None) -> None:
    slots.READY.first(code=uuid4())
    assert len(slots.READY.built[connection.vendor].sql) < 4096


def test_history_shows_what_was_read_beside_what_was_ranked(held: Assignment) -> None:
    readings.store_readings(assignment=held, said=said_of(held, "a", "b", "c"))
    receipt = comparisons.submit_ranking(assignment=held, judgements=judged(held), idempotency_key="1")
    shown = history.content_of(receipt).responses
    assert [each.reading and each.reading.text for each in shown] == ["a", "b", "c"]


def test_staff_see_what_each_labeler_read(held: Assignment, alice: Labeler) -> None:
    readings.store_readings(assignment=held, said=said_of(held, "a", "b"))
    comparisons.submit_ranking(assignment=held, judgements=judged(held), idempotency_key="1")
    found = disagreed_task(held.task.code)
    said = [row.judged[0] for row in found.responses]  # as Alice ranked them
    assert [str(each and each.reading) for each in said] == ["a", "b", "cannot tell"]


def test_erasing_a_prompt_takes_the_words_of_its_readings(held: Assignment) -> None:
    readings.store_readings(assignment=held, said=said_of(held, "it tells about Mrs Smith"))
    erasure.erase_author(author_key=held.task.given_prompt.author_key, by=None, reason="asked for it")
    assert list(Reading.objects.values_list("text", flat=True)) == ["", "", ""]
    assert not readings.are_awaited(held)


@pytest.mark.django_db(transaction=True)
def test_readings_sent_by_two_at_once_are_stored_once(alice: Labeler) -> None:
    ranked_batch(tasks=1, k=3, reads_first=True)
    held = claimed(alice, COMPARISON)
    start = threading.Barrier(4)
    faults: list[BaseException] = []

    def send(said: Sequence[Said]) -> None:
        try:
            start.wait()
            readings.store_readings(assignment=held, said=said)
        except BaseException as error:  # a thread's fault is the test's
            faults.append(error)
        finally:
            connections.close_all()

    threads = [
        threading.Thread(target=send, args=(said_of(held, f"by {n}", f"by {n}", f"by {n}"),))
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(set(stored(held))) == 1
    assert Reading.objects.count() == 3
