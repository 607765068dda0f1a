"""Finding a labeler's next open slot, leasing it and reading all that serving it needs, in one statement.

The statement walks the open slots of one batch in their random order, by an index that has nothing else in
it, and stops at the first that suits. Where several labelers see each task, the first open slots may all
belong to tasks that this labeler has answered; so it looks at a few from the start, then from where the
labeler has got to, and only at the end of a batch at all that is left.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

from labeling.models import Assignment, Batch, Labeler
from labeling.rules import eligibility
from labeling.rules.eligibility import Limits
from labeling.rules.slots import with_responses
from labeling.statements import Query, rows_of

FIRST, LAST = 0, 2**31 - 1
SLOTS_AT_THE_START = 40
TO_SERVE = ("task__prompt", "task__use_case", "batch__guideline", "batch__form", "labeler", "draft")
"""What serving an assignment needs, besides the responses (slots.with_responses)."""
CLAIMED = Query(lambda: with_responses(Assignment.objects.select_related(*TO_SERVE).order_by()))
SERVED = Query(lambda pk: with_responses(Assignment.objects.filter(pk=pk).select_related(*TO_SERVE)), pk=int)

# The order in which this labeler sees the responses: their codes, shuffled where they stand.
SHUFFLED = {
    "postgresql": """
        SELECT COALESCE(jsonb_agg(r.code ORDER BY random()), '[]'::jsonb)
        FROM labeling_candidate c JOIN labeling_response r ON r.id = c.response_id
        WHERE c.task_id = labeling_assignment.task_id""",
    "sqlite": """
        SELECT json_group_array(substr(code, 1, 8) || '-' || substr(code, 9, 4) || '-' ||
            substr(code, 13, 4) || '-' || substr(code, 17, 4) || '-' || substr(code, 21))
        FROM (SELECT r.code FROM labeling_candidate c JOIN labeling_response r ON r.id = c.response_id
            WHERE c.task_id = labeling_assignment.task_id ORDER BY random())""",
}
# PostgreSQL passes over slots that somebody is just claiming; SQLite lets one transaction write at a time.
PASS_OVER = {"postgresql": "FOR UPDATE SKIP LOCKED", "sqlite": ""}
# The row is found by its number: `state || ''` keeps PostgreSQL from looking for it among all open slots.
CLAIM = """
    UPDATE labeling_assignment
    SET state = 'leased', labeler_id = %s, claimed_at = %s, last_seen_at = %s, lease_expires_at = %s,
        display_order = ({shuffled})
    WHERE state || '' = 'open' AND id = ({slot}) AND %s > (
        SELECT COUNT(*) FROM labeling_assignment held
        WHERE held.labeler_id = %s AND held.state = 'leased' AND held.kind = %s)
    RETURNING {returned}"""
# The OFFSET keeps PostgreSQL from reading all of the labeler's rows for a join with the one slot it looks at.
FIRST_OPEN = """
        SELECT slot.id FROM labeling_assignment slot
        WHERE slot.batch_id = %s AND slot.state = 'open' AND slot.shuffle_key BETWEEN %s AND %s
            AND NOT EXISTS (
                SELECT 1 FROM labeling_assignment mine
                WHERE mine.task_id = slot.task_id AND mine.labeler_id = %s LIMIT 1 OFFSET 0)
        ORDER BY slot.shuffle_key, slot.id LIMIT 1 {pass_over}"""
END_OF_START = f"""
    SELECT shuffle_key FROM labeling_assignment WHERE batch_id = %s AND state = 'open'
    ORDER BY shuffle_key, id LIMIT 1 OFFSET {SLOTS_AT_THE_START}"""
REACHED = "SELECT MAX(shuffle_key) FROM labeling_assignment WHERE labeler_id = %s AND batch_id = %s"


def claim_slot(
    *, labeler: Labeler, batch: Batch, limits: Limits, now: datetime, at_most: int = 1
) -> Assignment | None:
    """Lease the next slot of a batch that suits the labeler; None if there is none.

    Nobody gets a task that they have a row on, nor holds more than `at_most` of a kind. Needs a transaction
    that holds the labeler's row.
    """
    if limits.is_any:
        suiting = eligibility.open_slots(labeler, batch.kind, [batch], limits=limits)
        first = suiting.order_by("shuffle_key", "id").select_for_update(skip_locked=True, of=("self",))
        pk = first.values_list("pk", flat=True).first()
        return None if pk is None else _lease("%s", [pk], labeler, batch, now, at_most)
    slot = FIRST_OPEN.format(pass_over=PASS_OVER[connection.vendor])
    for first_key, last_key in _stretches(labeler, batch):
        found = _lease(slot, [batch.pk, first_key, last_key, labeler.pk], labeler, batch, now, at_most)
        if found is not None:
            return found
    return None


def lease_slot(pk: int, *, labeler: Labeler, batch: Batch) -> bool:
    """Lease one slot of a batch however many the labeler holds; False if somebody else has just taken it.

    Needs a transaction that holds the labeler's row.
    """
    return _lease("%s", [pk], labeler, batch, timezone.now(), at_most=LAST) is not None


def claim_statement(slot: str) -> str:
    """Return the statement that leases the slot found by the subquery `slot`."""
    returned = "*" if connection.vendor == "postgresql" else "id"
    return CLAIM.format(shuffled=SHUFFLED[connection.vendor], slot=slot, returned=returned)


def _lease(
    slot: str, values: list[int], labeler: Labeler, batch: Batch, now: datetime, at_most: int
) -> Assignment | None:
    sql = claim_statement(slot)
    starts, ends = (
        connection.ops.adapt_datetimefield_value(moment)
        for moment in (now, now + timedelta(seconds=batch.lease_seconds))
    )
    parameters = [labeler.pk, starts, starts, ends, *values, at_most, labeler.pk, batch.kind]
    if connection.vendor == "postgresql":
        return next(iter(CLAIMED.returned_by(sql, parameters)), None)
    rows = rows_of(sql, parameters)
    return SERVED.first(pk=rows[0][0]) if rows else None


def _stretches(labeler: Labeler, batch: Batch) -> Iterator[tuple[int, int]]:
    """Yield the parts of a batch's random order in which to look, one after the other."""
    if batch.overlap > 1:
        for (key,) in rows_of(END_OF_START, [batch.pk]):
            yield FIRST, key
        for (key,) in rows_of(REACHED, [labeler.pk, batch.pk]):
            if key is not None:
                yield key, LAST
    yield FIRST, LAST
