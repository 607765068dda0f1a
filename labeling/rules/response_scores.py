"""What a reward model says about responses: written by training, compared with what labelers say."""

from collections.abc import Mapping
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from labeling.errors import InvalidInput
from labeling.models import Response, ResponseScore
from labeling.rules.parts import in_parts

ROWS_AT_ONCE = 500


@transaction.atomic
def record_scores(*, scorer: UUID, scorer_name: str, scores: Mapping[UUID, float]) -> int:
    """Record a reward model's score of each response, by code; a score it gave before is replaced.

    Returns how many were recorded. Raises InvalidInput for codes that name no response, and for numbers that
    are none (a reward model that gives them is broken).
    """
    broken = [str(code) for code, score in scores.items() if score != score or abs(score) == float("inf")]
    if broken:
        raise InvalidInput(f"The score of {len(broken)} responses is no number, first of {broken[0]}.")
    found: dict[UUID, int] = {}
    for codes in in_parts(scores, ROWS_AT_ONCE):
        found.update(Response.objects.filter(code__in=codes).values_list("code", "pk"))
    missing = [str(code) for code in scores if code not in found]
    if missing:
        raise InvalidInput(f"{len(missing)} codes name no response, first {missing[0]}.")
    for pks in in_parts(found.values(), ROWS_AT_ONCE):
        ResponseScore.objects.filter(scorer=scorer, response__in=pks).delete()
    ResponseScore.objects.bulk_create(
        (
            ResponseScore(response_id=found[code], scorer=scorer, scorer_name=scorer_name, score=score)
            for code, score in scores.items()
        ),
        batch_size=ROWS_AT_ONCE,
    )
    return len(scores)


def responses_without_score(scorer: UUID) -> QuerySet[Response]:
    """Return the responses that somebody has ranked and this reward model has not scored."""
    ranked = Response.objects.filter(places__isnull=False).distinct()
    return ranked.exclude(scores__scorer=scorer).select_related("prompt").order_by("pk")
