"""The pages of the questions board."""

import pytest

from labeling.models import Labeler, Question, User
from labeling.rules import questions
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db


def test_a_question_is_asked_answered_and_read_by_somebody_else(
    alice: Labeler, hana: Labeler, mia: User, visit: Visit
) -> None:
    answer = visit(alice).post("/questions/ask/", {"title": "Lists?", "body": "<script>x</script> **so**"})
    question = Question.objects.get()
    assert answer["Location"] == f"/questions/{question.code}/"
    visit(mia).post(f"/questions/{question.code}/answer/", {"answer": "Yes, *where* it helps."})
    assert "New answers" in visit(hana).get("/work/").content.decode()
    page = visit(hana).get(f"/questions/{question.code}/").content.decode()
    assert "<em>where</em>" in page
    assert "<script>x" not in page
    assert "Asked by L-ALICE" in page
    assert "Alice" not in page.replace("L-ALICE", "")
    assert "New answers" not in visit(hana).get("/work/").content.decode()


def test_labelers_see_no_staff_forms_and_may_not_post_them(alice: Labeler, visit: Visit) -> None:
    question = questions.ask(by=alice.user, title="Lists?")
    page = visit(alice).get(f"/questions/{question.code}/").content.decode()
    assert "Merge" not in page
    for verb in ("answer", "pin", "merge"):
        assert visit(alice).post(f"/questions/{question.code}/{verb}/").status_code == 403


def test_outsiders_do_not_reach_the_board(charlie: User, visit: Visit) -> None:
    assert visit(charlie).get("/questions/").status_code == 403
    assert visit(charlie).get("/questions/ask/").status_code == 403


def test_a_merged_question_leads_to_the_other(alice: Labeler, mia: User, visit: Visit) -> None:
    first, second = (questions.ask(by=alice.user, title=title) for title in ("One?", "Two?"))
    answer = visit(mia).post(f"/questions/{second.code}/merge/", {"into": str(first.code)})
    assert answer["Location"] == f"/questions/{first.code}/"
    assert visit(alice).get(f"/questions/{second.code}/")["Location"] == f"/questions/{first.code}/"
    wrong = visit(mia).post(f"/questions/{first.code}/merge/", {"into": str(mia.pk)})
    assert wrong.status_code == 422


def test_the_board_is_paged_searched_and_pinned(alice: Labeler, mia: User, visit: Visit) -> None:
    rows = [questions.ask(by=alice.user, title=f"Question {n}?") for n in range(26)]
    visit(mia).post(f"/questions/{rows[0].code}/pin/", {"do": "pin"})
    page = visit(alice).get("/questions/").content.decode()
    assert page.index("Question 0?") < page.index("Question 25?")
    assert "Page 1 of 2" in page
    assert "Question 7?" in visit(alice).get("/questions/?q=question+7").content.decode()
    assert "No question fits" in visit(alice).get("/questions/?q=xyzzy").content.decode()
