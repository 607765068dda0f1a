"""Screenings to test with: a small published test, and people who answer it well or badly."""

from typing import Any

from labeling.models import Labeler, ScreeningAttempt, ScreeningItem, ScreeningTest, User
from labeling.rules import screening, screening_tests
from labeling.rules.screening import Step

Part, Use = ScreeningItem.Part, ScreeningItem.Use


def published_test(by: User, **settings: Any) -> ScreeningTest:
    """Return a published test: a training item and two counted ones of each kind, and a reserve item."""
    test = screening_tests.create_test(by=by)
    if settings:
        screening_tests.change_test(test=test, by=by, **settings)
    add = screening_tests.add_item
    flagging: dict[str, Any] = {"test": test, "by": by, "part": Part.FLAGGING}
    add(
        **flagging,
        text="Boil an egg.",
        reference={"is_sensitive": False},
        use=Use.TRAINING,
        explanation="Calm.",
    )
    add(**flagging, text="A vile insult.", reference={"is_sensitive": True})
    add(**flagging, text="A recipe.", reference={"is_sensitive": False})
    add(**flagging, text="A threat.", reference={"is_sensitive": True}, use=Use.RESERVE)
    ranking: dict[str, Any] = {"test": test, "by": by, "part": Part.RANKING, "text": "Capital of Australia?"}
    add(**ranking, responses=["Canberra", "Sydney", "Wien"], reference={"ranks": [1, 2, 3]})
    add(**ranking, responses=["No", "Yes"], reference={"ranks": [2, 1]})
    add(test=test, by=by, part=Part.DEMONSTRATION, text="Why do they smell?")
    add(test=test, by=by, part=Part.DEMONSTRATION, text="Is garlic enough?")
    return screening_tests.publish_test(test=test, by=by)


def right_answer(step: Step) -> dict[str, Any]:
    """Return what the researchers answered; a sentence where they grade."""
    return dict(step.item.reference) or {"text": "A kind and careful answer."}


def wrong_answer(step: Step) -> dict[str, Any]:
    """Return the opposite of what the researchers answered."""
    reference = step.item.reference
    if "is_sensitive" in reference:
        return {"is_sensitive": not reference["is_sensitive"]}
    if "ranks" in reference:
        return {"ranks": [len(reference["ranks"]) + 1 - rank for rank in reference["ranks"]]}
    return {"text": "A rude answer."}


def taken(labeler: Labeler, *, well: bool = True) -> ScreeningAttempt:
    """Return the labeler's screening, answered and handed in."""
    attempt = screening.begin_screening(labeler=labeler)
    for step in screening.steps(attempt):
        if not step.is_done:
            answer = right_answer(step) if well else wrong_answer(step)
            screening.save_answer(attempt=attempt, item=step.item, content=answer, is_complete=True)
    screening.save_coverage(attempt=attempt, topics=attempt.test.topics[:2], groups=[])
    return screening.submit_screening(attempt=attempt)


def grade_all(attempt: ScreeningAttempt, by: User, grade: int) -> None:
    """Give every delicate answer of an attempt the same grade."""
    for answer in attempt.answers.filter(item__part=Part.DEMONSTRATION):
        screening.grade_answer(answer=answer, by=by, grade=grade)
