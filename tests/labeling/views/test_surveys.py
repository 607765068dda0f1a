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
    assert labeler.get(url).status_code == 404
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
