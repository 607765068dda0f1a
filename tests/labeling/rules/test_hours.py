"""Hours by labeler, vendor and week."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from labeling.errors import InvalidInput
from labeling.models import Assignment, Labeler, ScreeningAttempt, User
from labeling.rules import screening
from labeling.rules.hours import hours_by_week
from tests.factories import claimed, writing_batch
from tests.labeling.screenings import published_test

pytestmark = pytest.mark.django_db
BERLIN, UTC_ZONE = ZoneInfo("Europe/Berlin"), ZoneInfo("UTC")
MONDAY, SUNDAY = date(2026, 11, 16), date(2026, 11, 22)


def worked(labeler: Labeler, *, seconds: int, at: datetime, state: str = "submitted") -> None:
    row = claimed(labeler, "demonstration")
    finished = at if state in ("submitted", "skipped") else None
    Assignment.objects.filter(pk=row.pk).update(
        state=state, active_seconds=seconds, finished_at=finished, last_seen_at=at
    )


def test_skips_and_drafts_count_in_the_week_of_their_end(alice: Labeler) -> None:
    Labeler.objects.filter(pk=alice.pk).update(vendor="Scale")
    writing_batch(tasks=4)
    noon = datetime(2026, 11, 18, 12, tzinfo=UTC)
    worked(alice, seconds=3000, at=noon)
    worked(alice, seconds=600, at=noon, state="skipped")
    worked(alice, seconds=300, at=noon, state="expired")
    worked(alice, seconds=60, at=datetime(2026, 11, 23, 12, tzinfo=UTC))
    (week,) = hours_by_week(first=MONDAY, last=SUNDAY, zone=UTC_ZONE)
    assert (week.week, week.week_starts, week.vendor) == ("2026-W47", MONDAY, "Scale")
    assert (week.seconds, week.hours) == (3900, 1.08)
    assert (week.submitted, week.skipped, week.unfinished) == (1, 1, 1)


def test_weeks_begin_in_the_zone_that_is_stated(alice: Labeler) -> None:
    writing_batch(tasks=1)
    worked(alice, seconds=60, at=datetime(2026, 11, 22, 23, 30, tzinfo=UTC))  # Monday already in Berlin
    assert len(hours_by_week(first=MONDAY, last=SUNDAY, zone=UTC_ZONE)) == 1
    assert hours_by_week(first=MONDAY, last=SUNDAY, zone=BERLIN) == []
    (week,) = hours_by_week(first=MONDAY, last=date(2026, 11, 23), zone=BERLIN)
    assert (week.week, week.time_zone) == ("2026-W48", "Europe/Berlin")


def test_vendors_are_told_apart_and_programs_left_out(alice: Labeler, hana: Labeler) -> None:
    Labeler.objects.filter(pk=alice.pk).update(vendor="Scale")
    Labeler.objects.filter(pk=hana.pk).update(is_simulated=True, cohort="train")
    writing_batch(tasks=2)
    noon = datetime(2026, 11, 18, 12, tzinfo=UTC)
    for labeler in (alice, Labeler.objects.get(pk=hana.pk)):
        worked(labeler, seconds=60, at=noon)
    assert [week.labeler for week in hours_by_week(first=MONDAY, last=SUNDAY, zone=UTC_ZONE)] == ["L-ALICE"]
    assert len(hours_by_week(first=MONDAY, last=SUNDAY, zone=UTC_ZONE, simulated=True)) == 2
    assert hours_by_week(first=MONDAY, last=SUNDAY, zone=UTC_ZONE, vendor="Upwork") == []


def test_period_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InvalidInput):
        hours_by_week(first=SUNDAY, last=date(2026, 1, 1), zone=UTC_ZONE)
    with pytest.raises(InvalidInput):
        hours_by_week(first=date(2000, 1, 1), last=SUNDAY, zone=UTC_ZONE)


def test_the_screening_counts_in_the_week_it_was_last_seen(alice: Labeler, mia: User) -> None:
    noon = datetime(2026, 11, 18, 12, tzinfo=UTC)
    attempt = ScreeningAttempt.objects.create(labeler=alice, test=published_test(mia), created_at=noon)
    screening.count_time(attempt=attempt, active_seconds=90)
    screening.count_time(attempt=attempt, active_seconds=9000)  # no beat is longer than two minutes
    ScreeningAttempt.objects.update(last_seen_at=noon)
    (week,) = hours_by_week(first=MONDAY, last=SUNDAY, zone=UTC_ZONE)
    assert (week.labeler, week.seconds, week.screening_seconds, week.submitted) == ("L-ALICE", 210, 210, 0)
    writing_batch(tasks=1)
    worked(alice, seconds=60, at=noon)
    (week,) = hours_by_week(first=MONDAY, last=SUNDAY, zone=UTC_ZONE)
    assert (week.seconds, week.screening_seconds, week.submitted) == (270, 210, 1)
    ScreeningAttempt.objects.update(state="submitted")
    screening.count_time(attempt=attempt, active_seconds=60)
    attempt.refresh_from_db()
    assert attempt.active_seconds == 210
