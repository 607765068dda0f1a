"""Voluntary surveys: who answered is known, what they answered is not.

An answer adds one to a counter for each option chosen, and is kept nowhere else. So no row can be traced to a
person, by key, time or order. Results are shown when a round is closed, from five answers up, and options
that fewer than five chose are put together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.db.models import F, Max
from django.utils import timezone

from labeling.errors import Conflict, InvalidInput, NotPermitted
from labeling.models import Labeler, Survey, SurveyCount, SurveyParticipation, User
from labeling.rules import audit
from labeling.rules.access import Action, ensure
from labeling.rules.survey_questions import QUESTIONS

LEAST_GROUP = 5
NO_ANSWER = "Prefer not to say"
TOGETHER = "Others, put together"


@dataclass(frozen=True)
class OptionResult:
    """How many chose an option, and their share of the people who answered the question."""

    option: str
    count: int
    fraction: float | None


@dataclass(frozen=True)
class QuestionResult:
    """The counts of one question; `answered` leaves out those who preferred not to say.

    `is_hidden` where fewer than five answered it: then there are no options.
    """

    label: str
    several: bool
    answered: int
    options: Sequence[OptionResult]
    is_hidden: bool


@transaction.atomic
def open_survey(*, kind: str, by: User) -> Survey:
    """Open the next round of a survey. Raises Conflict while one of that kind is open."""
    ensure(by, Action.RUN_SURVEYS)
    if kind not in Survey.Kind.values:
        raise InvalidInput(f'"{kind}" is not a survey.', fields={"kind": "unknown"})
    number = (Survey.objects.filter(kind=kind).aggregate(last=Max("number"))["last"] or 0) + 1
    questions = QUESTIONS[kind]
    try:
        with transaction.atomic():
            survey = Survey.objects.create(kind=kind, number=number, questions=questions, opened_by=by)
    except IntegrityError as error:
        raise Conflict("A round of this survey is open; close it first.") from error
    SurveyCount.objects.bulk_create(
        SurveyCount(survey=survey, question=question["key"], option=option)
        for question in questions
        for option in (*question["options"], NO_ANSWER)
    )
    audit.record(actor=by, action="open_survey", obj=survey, kind=kind, number=number)
    return survey


@transaction.atomic
def close_survey(*, survey: Survey, by: User) -> None:
    """Close a round: nobody answers any more, and results can be seen. Raises Conflict if it is closed."""
    ensure(by, Action.RUN_SURVEYS)
    if Survey.objects.open().filter(pk=survey.pk).update(closed_at=timezone.now()) != 1:
        raise Conflict("This round is closed already.")
    audit.record(actor=by, action="close_survey", obj=survey)


def answer_survey(*, survey: Survey, labeler: Labeler, answers: Mapping[str, Sequence[str]]) -> None:
    """Count somebody's answers, once, and forget whose they were. Every question may be left out.

    Raises Conflict for a closed round or a second answer, InvalidInput for an option that was not offered.
    """
    if labeler.status not in (Labeler.Status.ACTIVE, Labeler.Status.PAUSED):
        raise NotPermitted("Surveys are for those who label.")
    chosen: list[tuple[str, str]] = []
    for question in survey.questions:
        given = list(dict.fromkeys(answers.get(question["key"], ())))
        foreign = [option for option in given if option not in question["options"]]
        if foreign or (len(given) > 1 and not question.get("several")):
            raise InvalidInput("Choose among the options.", fields={question["key"]: "not offered"})
        chosen += [(question["key"], option) for option in given or [NO_ANSWER]]
    try:
        with transaction.atomic():
            if not Survey.objects.select_for_update().open().filter(pk=survey.pk).exists():
                raise Conflict("This round is closed; thank you all the same.")
            SurveyParticipation.objects.create(survey=survey, labeler=labeler)
            for key, option in chosen:
                SurveyCount.objects.filter(survey=survey, question=key, option=option).update(
                    count=F("count") + 1
                )
    except IntegrityError as error:
        raise Conflict("You have answered this round; it is counted once.") from error


def results_of(survey: Survey) -> list[QuestionResult]:
    """Return the counts of a closed round, small groups put together; empty while it is open.

    While it is open, comparing the counts before and after somebody answered would tell what they said.
    """
    if survey.closed_at is None:
        return []
    counts = {(row.question, row.option): row.count for row in survey.counts.all()}
    people = survey.participations.count()
    return [_result(question, counts, people) for question in survey.questions]


def _result(
    question: Mapping[str, object], counts: Mapping[tuple[str, str], int], people: int
) -> QuestionResult:
    key, several = str(question["key"]), bool(question.get("several"))
    options = question["options"]
    assert isinstance(options, list | tuple)
    answered = people - counts.get((key, NO_ANSWER), 0)
    shown: list[OptionResult] = []
    if answered >= LEAST_GROUP:
        given = [(str(option), counts.get((key, str(option)), 0)) for option in options]
        for option, count in put_together(given):
            shown.append(OptionResult(option, count, count / answered))
    return QuestionResult(str(question["label"]), several, answered, shown, is_hidden=not shown)


def put_together(counts: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    """Put options that fewer than five chose into one, with the next smallest until it has five.

    Options that nobody chose are left out with them, as naming them would tell who is not there.
    """
    small = [pair for pair in counts if pair[1] < LEAST_GROUP]
    large = sorted((pair for pair in counts if pair[1] >= LEAST_GROUP), key=lambda pair: pair[1])
    together = sum(count for _, count in small)
    while 0 < together < LEAST_GROUP and large:
        together += large.pop(0)[1]
    kept = {option for option, _ in large}
    found = [pair for pair in counts if pair[0] in kept]
    return [*found, (TOGETHER, together)] if together >= LEAST_GROUP else found
