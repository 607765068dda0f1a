"""Surveys: counted once for each person, and traceable to nobody."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, models

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import Labeler, Survey, SurveyCount, SurveyParticipation, User
from labeling.rules import surveys
from labeling.rules.surveys import TOGETHER, put_together
from tests.factories import LabelerFactory

pytestmark = pytest.mark.django_db


def answered(survey: Survey, people: int, **answers: str) -> None:
    for _ in range(people):
        surveys.answer_survey(
            survey=survey,
            labeler=LabelerFactory.create(),
            answers={key: [option] for key, option in answers.items()},
        )


def test_answers_are_counted_once_for_each_person(alice: Labeler, mia: User) -> None:
    survey = surveys.open_survey(kind="satisfaction", by=mia)
    answers = {"clear": ["Agree"]}
    surveys.answer_survey(survey=survey, labeler=alice, answers=answers)
    with pytest.raises(Conflict, match="counted once"):
        surveys.answer_survey(survey=survey, labeler=alice, answers=answers)
    assert SurveyCount.objects.get(question="clear", option="Agree").count == 1
    assert list(Survey.objects.unanswered_by(alice)) == []


def test_no_answer_is_tied_to_a_person_or_a_time() -> None:
    kinds = {type(field) for field in SurveyCount._meta.get_fields()}
    assert not kinds & {models.DateTimeField, models.DateField}
    related = {field.related_model for field in SurveyCount._meta.get_fields() if field.related_model}
    assert related == {Survey}
    fields = {field.name for field in SurveyParticipation._meta.get_fields()}
    assert fields == {"id", "survey", "labeler"}
    assert isinstance(SurveyParticipation._meta.pk, models.UUIDField)


def test_results_wait_for_the_end_of_the_round(mia: User) -> None:
    survey = surveys.open_survey(kind="satisfaction", by=mia)
    answered(survey, 6, clear="Agree")
    assert surveys.results_of(survey) == []
    surveys.close_survey(survey=survey, by=mia)
    survey.refresh_from_db()
    clear, enjoyable, *_ = surveys.results_of(survey)
    assert [(row.option, row.count, row.fraction) for row in clear.options] == [("Agree", 6, 1.0)]
    assert enjoyable.is_hidden
    with pytest.raises(Conflict):
        answered(survey, 1, clear="Agree")


@pytest.mark.parametrize(
    ("counts", "shown"),
    [
        ([("a", 9), ("b", 7), ("c", 0)], [("a", 9), ("b", 7)]),
        ([("a", 9), ("b", 3), ("c", 2)], [("a", 9), (TOGETHER, 5)]),
        ([("a", 9), ("b", 6), ("c", 1)], [("a", 9), (TOGETHER, 7)]),
        ([("a", 9), ("b", 1)], [(TOGETHER, 10)]),
        ([("a", 1), ("b", 1)], []),
    ],
)
def test_small_groups_are_put_together_so_that_none_follows_from_the_rest(
    counts: list[tuple[str, int]], shown: list[tuple[str, int]]
) -> None:
    assert put_together(counts) == shown


def test_satisfaction_may_be_run_again_but_not_twice_at_once(mia: User, dana: User) -> None:
    first = surveys.open_survey(kind="satisfaction", by=mia)
    with pytest.raises(Conflict):
        surveys.open_survey(kind="satisfaction", by=mia)
    surveys.open_survey(kind="demographics", by=mia)
    surveys.close_survey(survey=first, by=mia)
    assert surveys.open_survey(kind="satisfaction", by=mia).number == 2
    with pytest.raises(NotPermitted):
        surveys.open_survey(kind="satisfaction", by=dana)


def test_only_offered_options_of_people_who_label_count(alice: Labeler, bob: Labeler, mia: User) -> None:
    survey = surveys.open_survey(kind="demographics", by=mia)
    with pytest.raises(InvalidInput):
        surveys.answer_survey(survey=survey, labeler=alice, answers={"age": ["A hundred"]})
    with pytest.raises(InvalidInput):
        surveys.answer_survey(survey=survey, labeler=alice, answers={"age": ["18 to 24", "25 to 34"]})
    with pytest.raises(NotPermitted):
        surveys.answer_survey(survey=survey, labeler=bob, answers={})
    surveys.answer_survey(survey=survey, labeler=alice, answers={"ethnicity": ["White", "Black"]})
    assert SurveyCount.objects.get(question="age", option=surveys.NO_ANSWER).count == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_open_a_round_at_once_open_one(mia: User, olga: User) -> None:
    start = Barrier(2)

    def open_one(by: User) -> str:
        start.wait()
        try:
            surveys.open_survey(kind="satisfaction", by=by)
        except Conflict as error:
            return error.message
        finally:
            connection.close()
        return "opened"

    with ThreadPoolExecutor(2) as threads:
        said = sorted(threads.map(open_one, (mia, olga)))
    assert said == ["A round of this survey is open; close it first.", "opened"]
    assert Survey.objects.count() == 1
