"""How a screening went: agreement with the researchers' answers, and the grades they gave."""

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from labeling.models import ScreeningAnswer, ScreeningAttempt, ScreeningItem, ScreeningTest
from labeling.rules.agreement import pairwise_agreement
from labeling.rules.ranking_columns import Ranked

Part, Use = ScreeningItem.Part, ScreeningItem.Use


@dataclass(frozen=True)
class PartScore:
    """The score of one part beside its cut-off.

    value   parts 1 and 2: share of answers like the researchers', 0 to 1; part 3: mean grade, 1 to 7;
            None where there is nothing to score yet
    scored  how much it rests on: passages, pairs of responses, or graded answers
    of      how many passages, rankings or answers there are
    """

    part: str
    value: float | None
    cutoff: float
    scored: int
    of: int

    @property
    def label(self) -> str:
        return Part(self.part).label

    @property
    def passes(self) -> bool | None:
        """Return whether the cut-off is reached; None while grades are missing.

        Somebody who ties every pair has no agreement, and has not reached it.
        """
        if self.value is None:
            return None if self.part == Part.DEMONSTRATION else False
        return self.value >= self.cutoff - 1e-9


@dataclass(frozen=True)
class Scores:
    """The three scored parts of one attempt; training items are left out."""

    flagging: PartScore
    ranking: PartScore
    demonstration: PartScore

    @property
    def parts(self) -> tuple[PartScore, PartScore, PartScore]:
        return self.flagging, self.ranking, self.demonstration

    @property
    def passes(self) -> bool | None:
        """Return whether every cut-off is reached; None while a score is missing."""
        each = [part.passes for part in self.parts]
        return None if None in each else all(each)

    @property
    def ungraded(self) -> int:
        """Return how many delicate answers nobody has graded."""
        return self.demonstration.of - self.demonstration.scored

    def as_json(self) -> dict[str, Any]:
        """Return the scores and cut-offs as a decision keeps them."""
        return {part.part: asdict(part) for part in self.parts}


def scores_of(attempt: ScreeningAttempt) -> Scores:
    """Score one attempt: part 1 by equal answers, part 2 by pairs ordered alike, part 3 by mean grade.

    Part 2 is pairwise agreement with the researchers in strict mode: pairs that either side
    ties are left out.
    The grade of an answer is the mean over its graders, the score the mean over answers.
    """
    return scores_by_attempt([attempt])[attempt.pk]


def scores_by_attempt(attempts: Collection[ScreeningAttempt]) -> dict[int, Scores]:
    """Score several attempts by one reading of their answers; returns them by primary key."""
    answers: dict[int, list[ScreeningAnswer]] = {attempt.pk: [] for attempt in attempts}
    for answer in counted_answers(attempts):
        answers[answer.attempt_id].append(answer)
    return {attempt.pk: _scores(attempt.test, answers[attempt.pk]) for attempt in attempts}


def counted_answers(attempts: Collection[ScreeningAttempt]) -> Iterable[ScreeningAnswer]:
    """The finished answers to items that count, with their items and grades."""
    answers = ScreeningAnswer.objects.filter(attempt__in=attempts, is_complete=True)
    answers = answers.exclude(item__use=Use.TRAINING)
    return answers.select_related("item").prefetch_related("grades").order_by("item_id")


def _scores(test: ScreeningTest, answers: list[ScreeningAnswer]) -> Scores:
    by_part: dict[str, list[ScreeningAnswer]] = {part: [] for part in Part.values}
    for answer in answers:
        by_part[answer.item.part].append(answer)
    flagging = [
        answer.content.get("is_sensitive") == answer.item.reference["is_sensitive"]
        for answer in by_part[Part.FLAGGING]
    ]
    agreement = pairwise_agreement(_rankings(by_part[Part.RANKING]))
    grades = [
        sum(given) / len(given)
        for answer in by_part[Part.DEMONSTRATION]
        if (given := [grade.grade for grade in answer.grades.all()])
    ]
    return Scores(
        flagging=PartScore(
            Part.FLAGGING, _mean(flagging), test.flagging_cutoff, len(flagging), len(by_part[Part.FLAGGING])
        ),
        ranking=PartScore(
            Part.RANKING, agreement.value, test.ranking_cutoff, agreement.pairs, len(by_part[Part.RANKING])
        ),
        demonstration=PartScore(
            Part.DEMONSTRATION,
            _mean(grades),
            test.demonstration_cutoff,
            len(grades),
            len(by_part[Part.DEMONSTRATION]),
        ),
    )


def _rankings(answers: list[ScreeningAnswer]) -> Iterable[Ranked]:
    for answer in answers:
        yield Ranked(answer.item_id, "labeler", dict(enumerate(answer.content["ranks"])))
        yield Ranked(answer.item_id, "researchers", dict(enumerate(answer.item.reference["ranks"])))


def _mean(values: list[float] | list[bool]) -> float | None:
    return sum(values) / len(values) if values else None
