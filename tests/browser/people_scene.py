"""People coming in, for pictures: terms, a screening being taken, handed in and decided, a survey."""

from dataclasses import dataclass

from labeling.models import Labeler, ScreeningItem, User
from labeling.rules import screening, screening_tests, surveys, terms
from tests.factories import LabelerFactory, UserFactory
from tests.labeling.screenings import grade_all, taken

TERMS = """\
## Pay

You are paid by the hour. Skipped tasks, drafts and reading count; breaks do not.

## Distressing texts

Some texts are unpleasant. You may skip any task, and opt out of such texts altogether.
"""


@dataclass(frozen=True)
class PeopleScene:
    """Somebody in the middle of the screening, and the items to show: one checked, one open of each part."""

    newcomer: Labeler
    items: dict[str, ScreeningItem]


def add_people_scene(owner: User) -> PeopleScene:
    """Publish terms and a test, have it taken, and run a survey."""
    test = screening_tests.create_test(by=owner, example=True)
    screening_tests.publish_test(test=test, by=owner)
    screening_tests.create_test(by=owner, source=test)
    newcomer, waiting, accepted, ungraded = map(_in_screening, ("Finn", "Gita", "Hugo", "Ines"))
    taken(ungraded)
    handed_in = taken(waiting, well=False)
    screening.grade_answer(
        answer=handed_in.answers.filter(item__part="demonstration")[0],
        by=owner, grade=3, note="Answers, but blames the people who are asked about.",
    )  # fmt: skip
    done = taken(accepted)
    grade_all(done, owner, 6)
    screening.decide_screening(
        attempt=done, by=owner, outcome="accept", reason="Every cut-off is reached.", kinds=["comparison"]
    )
    survey = surveys.open_survey(kind="satisfaction", by=owner)
    for number in range(12):
        answers = {
            question["key"]: [question["options"][(number + place) % 3]]
            for place, question in enumerate(survey.questions)
        }
        surveys.answer_survey(
            survey=survey, labeler=LabelerFactory.create(is_simulated=True), answers=answers
        )
    surveys.close_survey(survey=survey, by=owner)
    surveys.open_survey(kind="demographics", by=owner)
    published = terms.publish_terms(by=owner, title="Terms of work", body=TERMS)
    for labeler in Labeler.objects.people().select_related("user"):
        terms.accept_terms(user=labeler.user, version=published.version)
    return PeopleScene(newcomer, _begun(newcomer))


def _in_screening(name: str) -> Labeler:
    user = UserFactory.create(email=f"{name.lower()}@example.org", name=name, time_zone="Europe/Berlin")
    return LabelerFactory.create(user=user, status=Labeler.Status.SCREENING, vendor="Acme")


def _begun(labeler: Labeler) -> dict[str, ScreeningItem]:
    attempt = screening.begin_screening(labeler=labeler)
    steps = screening.steps(attempt)
    checked = steps[0].item
    opposite = {"is_sensitive": not checked.reference["is_sensitive"]}
    screening.save_answer(attempt=attempt, item=checked, content=opposite, is_complete=True)
    items = {"checked": checked}
    for step in steps:
        if step.item.use == ScreeningItem.Use.COUNTED:
            items.setdefault(step.item.part, step.item)
    return items
