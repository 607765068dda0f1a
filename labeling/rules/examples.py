"""Approved examples for people who write: demonstrations that reviewers found good, without names.

Never a pending answer: a prompt that is still open to somebody is left out with all that was written to it,
and so are prompts of test authors and those with personal data.
"""

from django.db.models import Exists, OuterRef, Q, QuerySet

from labeling.errors import NotPermitted
from labeling.models import Assignment, Demonstration, Labeler, Review, Split, TaskKind

LEAST_GRADE = 6
UNFINISHED = (Assignment.State.OPEN, Assignment.State.LEASED)


def may_see_examples(labeler: Labeler) -> bool:
    """Return whether a labeler writes demonstrations: to others examples are not shown."""
    return labeler.is_qualified(TaskKind.DEMONSTRATION)


def examples_for(labeler: Labeler, *, words: str = "") -> QuerySet[Demonstration]:
    """Return approved demonstrations whose prompt or text has the words, newest first.

    Raises NotPermitted for somebody who does not write demonstrations.
    """
    if not may_see_examples(labeler):
        raise NotPermitted("Examples are for those who write demonstrations.", code="not_qualified")
    good = Review.objects.newest().filter(
        demonstration=OuterRef("pk"),
        decision__in=(Review.Decision.ACCEPTED, Review.Decision.FIXED),
        grade__gte=LEAST_GRADE,
    )
    unfinished = Assignment.objects.filter(task__prompt=OuterRef("prompt"), state__in=UNFINISHED)
    rows = (
        Demonstration.objects.newest()
        .filter(Exists(good), ~Exists(unfinished), is_surplus=False, prompt__has_pii=False)
        .filter(prompt__held_reason="")
        .exclude(prompt__split=Split.TEST)
        .select_related("prompt")
        .order_by("-pk")
    )
    for word in words.split()[:8]:
        rows = rows.filter(Q(prompt__text__icontains=word) | Q(text__icontains=word))
    return rows
