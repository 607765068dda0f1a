"""Taking a screening, grading it, and deciding about it."""

import pytest

from labeling.errors import Conflict, InvalidInput, NotFound, NotPermitted
from labeling.models import (
    AuditEvent,
    Cohort,
    Labeler,
    ScreeningAttempt,
    ScreeningGrade,
    ScreeningItem,
    User,
)
from labeling.rules import screening, terms
from labeling.rules.screening_scores import scores_of
from tests.factories import LabelerFactory
from tests.labeling.screenings import Part, Use, grade_all, published_test, right_answer, taken

pytestmark = pytest.mark.django_db


def test_perfect_answers_reach_every_cutoff(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = taken(bob)
    assert scores_of(attempt).passes is None  # nobody has graded yet
    grade_all(attempt, dana, 6)
    scores = scores_of(attempt)
    assert [part.value for part in scores.parts] == [1.0, 1.0, 6.0]
    assert scores.ranking.scored == 4  # three pairs and one
    assert scores.passes is True


def test_opposite_answers_score_nothing(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = taken(bob, well=False)
    grade_all(attempt, dana, 2)
    assert [part.value for part in scores_of(attempt).parts] == [0.0, 0.0, 2.0]
    assert scores_of(attempt).passes is False


def test_training_items_do_not_count_and_close_once_checked(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = screening.begin_screening(labeler=bob)
    training = next(step.item for step in screening.steps(attempt) if step.item.use == Use.TRAINING)
    wrong = {"is_sensitive": True}
    answer = screening.save_answer(attempt=attempt, item=training, content=wrong, is_complete=True)
    assert answer.checked_at is not None
    with pytest.raises(Conflict, match="seen the researchers"):
        screening.save_answer(attempt=attempt, item=training, content=wrong, is_complete=True)
    assert scores_of(attempt).flagging.of == 0


def test_tying_everything_is_no_agreement(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = screening.begin_screening(labeler=bob)
    for step in screening.steps(attempt):
        content = right_answer(step)
        if step.item.part == Part.RANKING:
            content = {"ranks": [1] * len(step.item.responses)}
        screening.save_answer(attempt=attempt, item=step.item, content=content, is_complete=True)
    ranking = scores_of(attempt).ranking
    assert (ranking.value, ranking.passes) == (None, False)


def test_mean_grade_weighs_answers_alike_however_many_graded_them(
    bob: Labeler, dana: User, olga: User
) -> None:
    published_test(dana)
    attempt = taken(bob)
    first, second = attempt.answers.filter(item__part=Part.DEMONSTRATION)
    screening.grade_answer(answer=first, by=dana, grade=7)
    screening.grade_answer(answer=first, by=olga, grade=5)
    screening.grade_answer(answer=second, by=dana, grade=2)
    screening.grade_answer(answer=second, by=dana, grade=3)  # a second thought
    assert scores_of(attempt).demonstration.value == pytest.approx((6 + 3) / 2)
    assert ScreeningGrade.objects.count() == 3


def test_drafts_are_kept_and_never_undo_an_answer(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = screening.begin_screening(labeler=bob)
    item = screening.steps(attempt)[-1].item
    screening.save_answer(attempt=attempt, item=item, content={"text": "Half"}, is_complete=False)
    assert screening.steps(attempt)[-1].is_done is False
    screening.save_answer(attempt=attempt, item=item, content={"text": "Whole"}, is_complete=True)
    with pytest.raises(Conflict, match="Save and go on"):
        screening.save_answer(attempt=attempt, item=item, content={"text": "Hal"}, is_complete=False)
    stored = attempt.answers.get(item=item)
    assert (stored.content, stored.is_complete) == ({"text": "Whole"}, True)


def test_nothing_is_handed_in_half(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = screening.begin_screening(labeler=bob)
    with pytest.raises(InvalidInput, match="7 items and part 4"):
        screening.submit_screening(attempt=attempt)
    attempt = taken(bob)
    with pytest.raises(Conflict):
        screening.submit_screening(attempt=attempt)
    with pytest.raises(Conflict):
        screening.save_coverage(attempt=attempt, topics=[], groups=[])


def test_items_come_in_parts_and_in_an_order_of_their_own(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = screening.begin_screening(labeler=bob)
    order = [step.item.pk for step in screening.steps(attempt)]
    assert order == [step.item.pk for step in screening.steps(attempt)]
    parts = [step.item.part for step in screening.steps(attempt)]
    assert parts == sorted(parts, key=Part.values.index)
    assert screening.steps(attempt)[0].item.use == Use.TRAINING
    assert not any(step.item.use == Use.RESERVE for step in screening.steps(attempt))


def test_accepting_grants_qualifications_and_activates(bob: Labeler, dana: User, mia: User) -> None:
    published_test(dana)
    attempt = taken(bob)
    grade_all(attempt, dana, 7)
    decision = screening.decide_screening(
        attempt=attempt, by=mia, outcome="accept", reason="All reached.", kinds=["comparison"]
    )
    bob.refresh_from_db()
    assert bob.status == Labeler.Status.ACTIVE
    assert bob.is_qualified("comparison")
    assert not bob.is_qualified("demonstration")
    assert decision.departs is False
    assert decision.scores["flagging"]["value"] == 1.0
    assert AuditEvent.objects.filter(action="decide_screening", object_code=str(attempt.code)).exists()


def test_decision_may_depart_from_the_cutoffs_with_a_reason(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = taken(bob, well=False)
    with pytest.raises(InvalidInput, match="reason"):
        screening.decide_screening(
            attempt=attempt, by=dana, outcome="accept", reason=" ", kinds=["comparison"]
        )
    decision = screening.decide_screening(
        attempt=attempt, by=dana, outcome="accept", reason="We lack Tagalog.", kinds=["comparison"]
    )
    assert decision.departs is True
    with pytest.raises(Conflict):
        screening.decide_screening(attempt=attempt, by=dana, outcome="reject", reason="No, after all.")


def test_rejecting_leaves_the_labeler_without_work(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = taken(bob, well=False)
    screening.decide_screening(attempt=attempt, by=dana, outcome="reject", reason="Far below.")
    bob.refresh_from_db()
    assert bob.status == Labeler.Status.SCREENING
    assert screening.begin_screening(labeler=bob).state == ScreeningAttempt.State.REJECTED
    published_test(dana)  # a new version is a new chance
    assert screening.begin_screening(labeler=bob).state == ScreeningAttempt.State.OPEN


def test_more_items_open_the_reserve_once(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = taken(bob)
    screening.decide_screening(attempt=attempt, by=dana, outcome="more", reason="On the edge.")
    attempt = taken(bob)
    grade_all(attempt, dana, 7)
    assert scores_of(attempt).flagging.of == 3
    with pytest.raises(InvalidInput, match="no reserve items left"):
        screening.decide_screening(attempt=attempt, by=dana, outcome="more", reason="Again.")


def test_nobody_judges_themselves(dana: User) -> None:
    published_test(dana)
    own = LabelerFactory.create(user=dana, cohort=Cohort.RESEARCHER, status=Labeler.Status.SCREENING)
    attempt = taken(own)
    with pytest.raises(NotPermitted, match="own answer"):
        grade_all(attempt, dana, 7)
    with pytest.raises(NotPermitted, match="own screening"):
        screening.decide_screening(
            attempt=attempt, by=dana, outcome="accept", reason="Me.", kinds=["comparison"]
        )


def test_only_researchers_grade(bob: Labeler, dana: User, mia: User) -> None:
    published_test(dana)
    attempt = taken(bob)
    with pytest.raises(NotPermitted):
        grade_all(attempt, mia, 7)
    assert screening.answers_to_grade(dana).count() == 2


def test_screening_is_for_those_in_screening(alice: Labeler, bob: Labeler, hana: Labeler, dana: User) -> None:
    with pytest.raises(NotFound, match="No screening is published"):
        screening.begin_screening(labeler=bob)
    published_test(dana)
    for other in (alice, hana):
        with pytest.raises(NotFound, match="not in screening"):
            screening.begin_screening(labeler=other)


def test_terms_come_before_the_screening(bob: Labeler, dana: User, mia: User) -> None:
    published_test(dana)
    terms.publish_terms(by=mia, title="Terms", body="Be paid by the hour.")
    with pytest.raises(NotPermitted, match="terms"):
        screening.begin_screening(labeler=bob)
    terms.accept_terms(user=bob.user, version=1)
    assert screening.begin_screening(labeler=bob).state == ScreeningAttempt.State.OPEN


@pytest.mark.parametrize(
    ("ours", "theirs", "is_alike"),
    [
        ([1, 1, 2, 3], [1, 1, 3, 4], True),
        ([1, 2], [2, 1], False),
        ([1, 1], [1, 2], False),
        ([3, 1, 2], [3, 1, 2], True),
    ],
)
def test_orders_agree_by_their_pairs_not_by_their_numbers(
    ours: list[int], theirs: list[int], is_alike: bool
) -> None:
    item = ScreeningItem(part=Part.RANKING, reference={"ranks": theirs})
    assert screening.agrees(item, {"ranks": ours}) is is_alike


def test_nobody_grades_after_the_decision_though_the_answer_was_read_before(bob: Labeler, dana: User) -> None:
    published_test(dana)
    attempt = taken(bob)
    answer = screening.answers_to_grade(dana).select_related("attempt")[0]
    decide = {"outcome": "reject", "reason": "Not careful."}
    screening.decide_screening(attempt=attempt, by=dana, **decide)
    with pytest.raises(Conflict, match="not waiting"):
        screening.grade_answer(answer=answer, by=dana, grade=4)
    assert not ScreeningGrade.objects.exists()
