"""The hours page and its files."""

import csv
import io

import pytest
from django.urls import reverse

from labeling.models import Assignment, Labeler, User
from tests.factories import claimed, writing_batch
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db


def test_hours_as_page_csv_and_json(alice: Labeler, mia: User, visit: Visit) -> None:
    Labeler.objects.filter(pk=alice.pk).update(vendor="=cmd()")
    writing_batch(tasks=1)
    Assignment.objects.filter(pk=claimed(alice, "demonstration").pk).update(active_seconds=5400)
    client = visit(mia)
    page = client.get(reverse("hours"))
    assert b"1:30" in page.content
    assert b"L-ALICE" in page.content
    answer = client.get(reverse("hours"), {"format": "csv"})
    lines = answer.getvalue().decode()
    (row,) = csv.DictReader(io.StringIO(lines))
    assert (row["hours"], row["vendor"], row["time_zone"]) == ("1.5", "'=cmd()", "UTC")
    answer = client.get(reverse("hours"), {"format": "json"})
    assert answer.json()["weeks"][0]["seconds"] == 5400


def test_wrong_period_is_said_and_nothing_is_downloaded(mia: User, visit: Visit) -> None:
    answer = visit(mia).get(reverse("hours"), {"first": "2026-11-20", "last": "2020-01-01", "format": "csv"})
    assert answer.status_code == 422
    assert b"begin before it ends" in answer.content
    answer = visit(mia).get(reverse("hours"), {"time_zone": "Mars/Base"})
    assert answer.status_code == 422
