"""The pages of the surveys."""

import pytest
from django.urls import reverse

from labeling.models import Labeler, Survey, SurveyCount, User
from labeling.rules import surveys
from tests.factories import LabelerFactory
from tests.labeling.views.conftest import Visit

pytestmark = pytest.mark.django_db


def test_survey_from_opening_to_results(alice: Labeler, mia: User, dana: User, visit: Visit) -> None:
    manager = visit(mia)
    assert b"No survey yet" in manager.get(reverse("survey-results")).content
    manager.post(reverse("survey-open"), {"kind": "demographics"})
    survey = Survey.objects.get()
    labeler = visit(alice)
    assert b"About you" in labeler.get(reverse("survey-list")).content
    assert b"a survey is open" in labeler.get(reverse("work")).content
    url = reverse("survey-answer", args=[survey.code])
    assert b"Not now" in labeler.get(url).content
    labeler.post(url, {"gender": "Female", "nationality": "Filipino", "ethnicity": ["White", "Other"]})
    assert SurveyCount.objects.get(question="nationality", option="Filipino").count == 1
    assert b"is closed or answered" in labeler.get(url, follow=True).content
    assert b"Nothing to answer" in labeler.get(reverse("survey-list")).content
    for _ in range(4):
        surveys.answer_survey(survey=survey, labeler=LabelerFactory.create(), answers={"gender": ["Female"]})
    page = reverse("survey-result", args=[survey.code])
    assert b"Still open" in manager.get(page).content
    assert manager.get(page, {"format": "csv"}).status_code == 404
    assert visit(dana).post(reverse("survey-close", args=[survey.code])).status_code == 403
    manager.post(reverse("survey-close", args=[survey.code]))
    shown = visit(dana).get(page).content
    assert b"100.0" in shown
    assert b"Filipino" not in shown
    lines = manager.get(page, {"format": "csv"}).getvalue()
    assert b"Female,5,100.0,5" in lines


def test_second_press_is_told_that_the_first_one_counted(alice: Labeler, mia: User, visit: Visit) -> None:
    survey = surveys.open_survey(kind="demographics", by=mia)
    url, labeler = reverse("survey-answer", args=[survey.code]), visit(alice)
    labeler.post(url, {"gender": "Female"})
    again = labeler.post(url, {"gender": "Female"}, follow=True)
    assert b"You have answered this round; it is counted once" in again.content
    assert SurveyCount.objects.get(question="gender", option="Female").count == 1


def test_every_question_offers_no_answer_and_starts_with_it(alice: Labeler, mia: User, visit: Visit) -> None:
    survey = surveys.open_survey(kind="demographics", by=mia)
    url, labeler = reverse("survey-answer", args=[survey.code]), visit(alice)
    form = labeler.get(url).context["form"]
    assert 'type="radio" name="gender" value=""' in str(form["gender"])
    assert str(form["gender"]).count("checked") == 1
    labeler.post(url, {"gender": "", "nationality": ""})
    counts = SurveyCount.objects.filter(question="gender", count=1)
    assert [row.option for row in counts] == [surveys.NO_ANSWER]
