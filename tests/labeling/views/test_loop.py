"""The loop of work on pages: going on, second thoughts, guidelines, time, preferences, skips, use cases."""

import pytest
from django.utils import timezone

from labeling.models import (
    Assignment,
    Demonstration,
    Labeler,
    Preferences,
    Receipt,
    Skip,
    TaskKind,
    UseCase,
    User,
)
from labeling.rules import assignments, guidelines, skips
from labeling.rules.demonstrations import submit_demonstration
from tests.factories import at_work, claimed, qualified_labeler, writing_batch
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db
KIND = TaskKind.DEMONSTRATION


def test_undo_brings_the_task_back_with_its_words(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    slot = claimed(alice, KIND)
    client = visit(alice)
    client.post(f"/demonstrations/{slot.code}/write/", {"text": "Too soon", "idempotency_key": "a"})
    receipt = Receipt.objects.get()
    answer = client.post(f"/receipts/{receipt.code}/undo/")
    assert answer["Location"] == f"/demonstrations/{slot.code}/write/"
    assert "Too soon" in client.get(answer["Location"]).content.decode()
    assert "Taken back" in client.get(f"/receipts/{receipt.code}/").content.decode()


def test_last_submission_is_revised_and_its_receipts_show_both(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    slot = claimed(alice, KIND)
    first = submit_demonstration(assignment=slot, text="One.", idempotency_key="a")
    client = visit(alice)
    answer = client.post(f"/receipts/{first.code}/reopen/")
    page = client.get(answer["Location"]).content.decode()
    assert "You are revising what you submitted" in page
    assert "skip-dialog" not in page.split("task-bar")[1].split("</div>")[0]
    client.post(answer["Location"], {"text": "Two.", "idempotency_key": "b"})
    second = Receipt.objects.get(revision=2)
    page = client.get(f"/receipts/{second.code}/").content.decode()
    assert "revision 2" in page
    assert "Two." in page
    assert Demonstration.objects.newest().get().text == "Two."


def test_a_revision_can_be_left(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    slot = claimed(alice, KIND)
    receipt = submit_demonstration(assignment=slot, text="One.", idempotency_key="a")
    client = visit(alice)
    client.post(f"/receipts/{receipt.code}/reopen/")
    answer = client.post(f"/assignments/{slot.code}/keep/")
    assert answer["Location"] == f"/receipts/{receipt.code}/"
    assert client.get(f"/demonstrations/{slot.code}/write/").status_code == 302


def test_other_peoples_receipts_cannot_be_touched(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=1)
    receipt = submit_demonstration(assignment=claimed(alice, KIND), text="One.", idempotency_key="a")
    other = visit(qualified_labeler())
    for verb in ("undo", "reopen"):
        assert other.post(f"/receipts/{receipt.code}/{verb}/").status_code == 404


def test_a_changed_guideline_is_read_before_the_next_task(alice: Labeler, mia: User, visit: Visit) -> None:
    writing_batch(tasks=1)
    submit_demonstration(assignment=claimed(alice, KIND), text="One.", idempotency_key="a")
    newer = guidelines.publish_guideline(
        kind=KIND, title="Writing", body="# Writing a response\n\nNow <b>this</b> counts.", by=mia
    )
    writing_batch(tasks=1)
    client = visit(alice)
    assert "Read what changed" in client.get("/work/").content.decode()
    answer = client.post("/work/next/demonstration/")
    assert answer["Location"] == f"/guidelines/{newer.code}/changes/"
    page = client.get(answer["Location"]).content.decode()
    assert "<ins>" in page
    assert "&lt;b&gt;" in page
    assert not Assignment.objects.leased().exists()
    client.post(f"/guidelines/{newer.code}/acknowledge/")
    answer = client.post("/work/next/demonstration/")
    assert answer["Location"].startswith("/demonstrations/")


def test_time_is_shown_by_day_and_kind_with_skips_and_drafts(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=3)
    done, skipped = claimed(alice, KIND), None
    at_work(done, 120)
    submit_demonstration(assignment=done, text="One.", idempotency_key="a")
    skipped = claimed(alice, KIND)
    at_work(skipped, 60)
    assignments.skip(assignment=skipped, reason=Skip.Reason.HARMFUL)
    at_work(claimed(alice, KIND), 120)
    page = visit(alice).get("/work/time/").content.decode()
    assert "0:05" in page
    assert "50.0 % of all your tasks" in page
    assert timezone.localtime().strftime("%b") in page


def test_preferences_are_chosen(alice: Labeler, visit: Visit) -> None:
    client = visit(alice)
    answer = client.post("/work/preferences/", {"avoids_distressing": "on", "break_after_minutes": "25"})
    assert answer.status_code == 302
    chosen = Preferences.objects.get(labeler=alice)
    assert (chosen.avoids_distressing, chosen.break_after_minutes) == (True, 25)
    assert client.post("/work/preferences/", {"break_after_minutes": "900"}).status_code == 422
    writing_batch(tasks=1)
    page = client.get(f"/demonstrations/{claimed(alice, KIND).code}/write/").content.decode()
    assert 'data-break-after="25"' in page


def test_hints_name_another_language_and_too_long_a_text(alice: Labeler, visit: Visit) -> None:
    german = "Das ist ein ganz gewöhnlicher deutscher Satz über das Wetter von gestern."
    client = visit(alice)
    page = client.post("/work/hints/", {"text": german, "prompt_language": "en"}).content.decode()
    assert "“de”" in page
    assert not client.post("/work/hints/", {"text": german, "prompt_language": "de"}).content.strip()
    assert "longer than" in client.post("/work/hints/", {"text": "word " * 900}).content.decode()


def test_harmful_skips_bring_care_and_the_offer_to_opt_out(alice: Labeler, visit: Visit) -> None:
    writing_batch(tasks=3)
    client = visit(alice)
    for _ in range(skips.HARMFUL_BEFORE_ADVICE):
        slot = claimed(alice, KIND)
        client.post(f"/assignments/{slot.code}/skip/", {"reason": "harmful"})
    page = client.get("/work/").content.decode()
    assert "Take a break if you need one" in page
    assert "opt out of distressing material" in page


def test_staff_see_skipped_tasks_and_put_back_what_was_set_aside(
    alice: Labeler, mia: User, dana: User, visit: Visit
) -> None:
    batch = writing_batch(tasks=1)
    task = batch.tasks.get()
    slot = claimed(alice, KIND)
    assignments.skip(assignment=slot, reason=Skip.Reason.BROKEN, note="=HYPERLINK(1)")
    skips.set_aside(task)
    page = visit(dana).get("/skips/?reason=broken").content.decode()
    assert "=HYPERLINK(1)" in page
    assert "set aside" in page
    assert visit(alice).get("/skips/").status_code == 403
    visit(mia).post(f"/tasks/{task.code}/put-back/")
    task.refresh_from_db()
    assert task.set_aside_at is None
    assert "Nothing was skipped for this reason" in visit(mia).get("/skips/?reason=harmful").content.decode()


def test_use_cases_are_added_once_and_retired(alice: Labeler, mia: User, visit: Visit) -> None:
    client = visit(mia)
    assert client.post("/use-cases/", {"text": "A shop for plants"}).status_code == 302
    assert client.post("/use-cases/", {"text": "A shop for plants"}).status_code == 422
    use_case = UseCase.objects.get()
    assert visit(alice).post(f"/use-cases/{use_case.code}/retire/").status_code == 403
    client.post(f"/use-cases/{use_case.code}/retire/")
    assert not UseCase.objects.current().exists()
    assert "retired" in client.get("/use-cases/").content.decode()


def test_managers_set_from_when_on_skips_are_worth_a_question(
    alice: Labeler, mia: User, dana: User, visit: Visit
) -> None:
    writing_batch(tasks=2)
    for _ in range(2):
        assignments.skip(assignment=claimed(alice, TaskKind.DEMONSTRATION), reason="unclear")
    assert "Nobody skips more than 20 %" in visit(mia).get("/skips/attention/").content.decode()
    visit(mia).post("/skips/attention/change/", {"percent": "50", "least_tasks": "2"})
    page = visit(dana).get("/skips/attention/").content.decode()
    assert alice.pseudonym in page
    assert "2 × The prompt is unclear" in page
    assert "Set</button>" not in page  # researchers look on
    assert "above 50 % we like to know" in visit(alice).get("/work/").content.decode()
    assert visit(mia).post("/skips/attention/change/", {"percent": "0"}).status_code == 422
