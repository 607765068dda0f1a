"""Claims cost the same however much there is: statements, plan and the part of the index that is read."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from labeling.models import Assignment, Labeler, Response, TaskKind
from labeling.rules import assignments, claims, comparisons, slots
from labeling.rules.judgements import Judgement
from labeling.rules.ranking_answers import STILL_IN_HAND
from tests.factories import claimed, qualified_labeler, ranked_batch, writing_batch

pytestmark = pytest.mark.django_db
COMPARISON, DEMONSTRATION = TaskKind.COMPARISON, TaskKind.DEMONSTRATION


def statements_of_one_label(labeler: Labeler) -> int:
    with CaptureQueriesContext(
        connection,
    ) as found:
        slot = claimed(labeler, COMPARISON)
        comparisons.submit_ranking(
            assignment=slot,
            judgements=[
                Judgement(code=response.code, rank=1, likert=4)
                for response in comparisons.responses_in_display_order(slot)
            ],
            idempotency_key=str(slot.code),
        )
    return len(found.captured_queries)


def test_label_takes_as_many_statements_after_many_tasks_and_answers(alice: Labeler) -> None:
    ranked_batch(tasks=25)
    statements_of_one_label(alice)
    few = statements_of_one_label(alice)
    ranked_batch(tasks=30)
    for _ in range(20):
        statements_of_one_label(alice)
    assert statements_of_one_label(alice) == few <= 24


def test_display_order_is_a_shuffle_of_the_tasks_responses(alice: Labeler) -> None:
    ranked_batch(tasks=8, k=4)
    orders = []
    for _ in range(8):
        slot = claimed(alice, COMPARISON)
        canonical = [str(candidate.response.code) for candidate in slot.task.candidates.all()]
        assert sorted(slot.display_order) == sorted(canonical)
        orders.append([canonical.index(code) for code in slot.display_order])
        Assignment.objects.filter(pk=slot.pk).update(state=Assignment.State.SUBMITTED)
    assert len({tuple(order) for order in orders}) > 1


def test_claim_brings_the_responses_with_it_in_the_labelers_order_and_to_the_letter(alice: Labeler) -> None:
    ranked_batch(tasks=1, k=4)
    texts = {
        "plain",
        'quotes " and \\ and\n\tlines',
        "\u2028 \U0001f600 \u05e9\u05dc\u05d5\u05dd",
        "</script> %s {}",
    }
    for response, text in zip(Response.objects.all(), texts, strict=True):
        Response.objects.filter(pk=response.pk).update(text=text)
    first, again = claimed(alice, COMPARISON), claimed(alice, COMPARISON)
    assert first == again
    for slot in (first, again):
        with CaptureQueriesContext(connection) as found:
            shown = comparisons.responses_in_display_order(slot)
            assert {response.text for response in shown} == texts
            assert [str(response.code) for response in shown] == slot.display_order
        assert len(found) == 0
    stored = Assignment.objects.get(pk=first.pk)
    assert comparisons.responses_in_display_order(stored) == shown  # read alone where they were not brought
    assert shown[0].prompt_id == first.task.prompt_id


def test_claimed_task_without_responses_shows_none(alice: Labeler) -> None:
    writing_batch(tasks=1)
    assert comparisons.responses_in_display_order(claimed(alice, DEMONSTRATION)) == []
    assert comparisons.responses_in_display_order(claimed(alice, DEMONSTRATION)) == []


def test_fast_labeler_goes_on_past_what_they_answered(alice: Labeler) -> None:
    """With overlap, the first open slots all belong to tasks that this labeler has a row on."""
    writing_batch(tasks=60, overlap=3)
    seen = set()
    for _ in range(60):
        slot = claimed(alice, DEMONSTRATION)
        assert slot.task_id not in seen
        seen.add(slot.task_id)
        Assignment.objects.filter(pk=slot.pk).update(state=Assignment.State.SUBMITTED)
    assert assignments.claim_next(labeler=alice, kind=DEMONSTRATION) is None
    assert Assignment.objects.open().count() == 120


def test_slot_given_back_behind_a_labeler_is_found_at_the_end(alice: Labeler) -> None:
    writing_batch(tasks=50, overlap=2)
    first = claimed(qualified_labeler(), DEMONSTRATION)
    Assignment.objects.filter(task=first.task, state=Assignment.State.OPEN).delete()
    for _ in range(49):
        slot = claimed(alice, DEMONSTRATION)
        Assignment.objects.filter(pk=slot.pk).update(state=Assignment.State.SUBMITTED)
    assert assignments.claim_next(labeler=alice, kind=DEMONSTRATION) is None
    assignments.skip(assignment=first, reason="expertise")
    assert claimed(alice, DEMONSTRATION).task_id == first.task_id


def test_plan_reads_a_range_of_the_queue_and_no_table(alice: Labeler) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("this is PostgreSQL's plan")
    batch = writing_batch(tasks=300)
    writing_batch(tasks=300)
    slot = claims.FIRST_OPEN.format(pass_over=claims.PASS_OVER["postgresql"])
    sql = claims.claim_statement(slot)
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE labeling_assignment")
        cursor.execute("SET LOCAL enable_seqscan = on")
        cursor.execute(
            f"EXPLAIN (FORMAT JSON) {sql}",
            [alice.pk, now, now, now, batch.pk, claims.FIRST, claims.LAST, alice.pk, 1, alice.pk, batch.kind],
        )
        plan = cursor.fetchone()[0][0]["Plan"]
    nodes = list(_nodes(plan))
    on_slots = [node for node in nodes if node.get("Relation Name") == "labeling_assignment"]
    assert on_slots
    assert all(node["Node Type"] != "Seq Scan" for node in on_slots)
    walk = next(node for node in on_slots if node.get("Alias") == "slot")
    assert walk["Index Name"] == "assignment_queue"
    assert "batch_id" in walk["Index Cond"]
    assert "shuffle_key" in walk["Index Cond"]


def test_plans_made_before_the_first_answer_never_go_through_a_labelers_answers(alice: Labeler) -> None:
    """PostgreSQL plans these once for each connection, maybe when nobody has answered anything yet."""
    if connection.vendor != "postgresql":
        pytest.skip("these are PostgreSQL's plans")
    batch = ranked_batch(tasks=60)
    slot = claims.FIRST_OPEN.format(pass_over=claims.PASS_OVER["postgresql"])
    now = timezone.now()
    claim = [alice.pk, now, now, now, batch.pk, claims.FIRST, claims.LAST, alice.pk, 1, alice.pk, batch.kind]
    values = {"pk": alice.pk, "kind": COMPARISON, "labeler": alice.pk, "code": alice.code}
    statements: dict[str, tuple[str, list[Any]]] = {"claim": (claims.claim_statement(slot), claim)}
    for query in (assignments.TURN, slots.READY):
        built = query._built(connection)
        statements[built.sql] = (built.sql, [values[str(name)] for name in built.names])
    statements["store"] = (STILL_IN_HAND, [now, 1, 1, alice.pk, "key"])
    allowed = {"assignment_queue", "assignment_in_hand", "assignment_once_per_labeler_and_task"}
    by_number = ("labeling_assignment_pkey", "labeling_assignment_code")
    with connection.cursor() as cursor:
        # As new: rows that other tests rolled back have swollen some indexes.
        cursor.execute("REINDEX TABLE labeling_assignment")
        cursor.execute("ANALYZE labeling_assignment")
        cursor.execute("SET LOCAL enable_seqscan = off")
        for name, (sql, parameters) in statements.items():
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}", parameters)
            for node in _nodes(cursor.fetchone()[0][0]["Plan"]):
                if node.get("Relation Name") != "labeling_assignment" or "Index Name" not in node:
                    continue
                conditions = node.get("Index Cond", "")
                if node["Index Name"] == "assignment_once_per_labeler_and_task":
                    assert "labeler_id" in conditions, (name, node)
                    assert "task_id" in conditions, (name, node)
                elif not node["Index Name"].startswith(by_number):
                    assert node["Index Name"] in allowed, (name, node)
                    assert (node["Index Name"] == "assignment_queue") == (node["Alias"] == "slot"), (
                        name,
                        node,
                    )


def _nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)
