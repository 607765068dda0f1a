"""The audit page, and that no staff view changes anything without leaving a row."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils import timezone

from labeling.models import User
from labeling.rules import batches
from tests.factories import writing_batch
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db


def test_rows_are_found_by_person_action_object_and_day(mia: User, olga: User, visit: Visit) -> None:
    batch = writing_batch(tasks=1, by=olga)
    batches.close_batch(batch=batch, by=mia)
    client = visit(mia)
    today = timezone.localdate()

    def found(**query: str | int) -> list[str]:
        page = client.get(reverse("audit-list"), dict(query)).context["page"]
        return [event.action for event in page.rows]

    assert found() == ["close_batch", "open_batch", "create_batch"]
    assert found(actor=mia.pk) == ["close_batch"]
    assert found(action="create_batch") == ["create_batch"]
    assert found(object_type="batch", object_code=str(batch.code), since=today.isoformat()) == [
        "close_batch", "open_batch", "create_batch"
    ]  # fmt: skip
    assert found(until=(today - timedelta(days=1)).isoformat()) == []


def test_audit_is_downloaded_with_formulas_made_harmless(mia: User, visit: Visit) -> None:
    mia.email = "=cmd@example.org"
    mia.save()
    writing_batch(tasks=1, by=mia)
    answer = visit(mia).get(reverse("audit-list"), {"format": "csv"})
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert text.startswith("at,actor,action")
    assert "'=cmd@example.org" in text


def test_researchers_see_no_audit(dana: User, visit: Visit) -> None:
    assert visit(dana).get(reverse("audit-list")).status_code == 403
