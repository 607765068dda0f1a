"""Reports of responses: once for each reason, answered once, by staff."""

from uuid import uuid4

import pytest

from labeling.errors import Conflict, InvalidInput, NotFound, NotPermitted
from labeling.models import Assignment, AuditEvent, Labeler, Response, TaskKind, User
from labeling.rules import response_reports
from labeling.rules.response_reports import report_response
from tests.factories import claimed, ranked_batch

pytestmark = pytest.mark.django_db


@pytest.fixture
def held(alice: Labeler) -> Assignment:
    ranked_batch(tasks=1, k=2)
    return claimed(alice, TaskKind.COMPARISON)


@pytest.fixture
def response(held: Assignment) -> Response:
    return Response.objects.get(code=held.display_order[0])


def test_the_same_reason_again_adds_its_note(held: Assignment, response: Response) -> None:
    first = report_response(assignment=held, response=response.code, reason="broken", note="Cut off.")
    again = report_response(assignment=held, response=response.code, reason="broken", note="In a table.")
    assert again == first
    assert again.note == "Cut off.\n\nIn a table."
    other = report_response(assignment=held, response=response.code, reason="harmful")
    assert other != first
    assert response_reports.reports_of(held) == {response.code: [first, other]}


@pytest.mark.parametrize(("reason", "note"), [("ugly", ""), ("other", "  "), ("broken", "x" * 2001)])
def test_report_that_says_nothing_is_refused(
    held: Assignment, response: Response, reason: str, note: str
) -> None:
    with pytest.raises(InvalidInput):
        report_response(assignment=held, response=response.code, reason=reason, note=note)


def test_foreign_response_and_open_slot_cannot_be_reported(held: Assignment, response: Response) -> None:
    with pytest.raises(NotFound):
        report_response(assignment=held, response=uuid4(), reason="broken")
    held.state = Assignment.State.SKIPPED
    with pytest.raises(Conflict):
        report_response(assignment=held, response=response.code, reason="broken")


def test_staff_answer_once_and_it_is_audited(
    held: Assignment, response: Response, mia: User, alice: Labeler
) -> None:
    report = report_response(assignment=held, response=response.code, reason="broken")
    assert list(response_reports.list_reports(batch=held.batch)) == [report]
    with pytest.raises(NotPermitted):
        response_reports.answer_report(report=report, answer="Thanks.", by=alice.user)
    answered = response_reports.answer_report(report=report, answer="Taken out.", by=mia)
    assert (answered.answer, answered.answered_by) == ("Taken out.", mia)
    with pytest.raises(Conflict):
        response_reports.answer_report(report=report, answer="Again.", by=mia)
    assert AuditEvent.objects.filter(action="answer_response_report").count() == 1
    assert not response_reports.list_reports().exists()
    assert response_reports.list_reports(is_open=False).count() == 1
