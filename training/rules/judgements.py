"""Labelers' verdicts on pairs of responses, read from the rankings that count."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from labeling.errors import InvalidInput
from labeling.models import Batch, Place, PlaceQuerySet, Policy, Ranking, Response, TaskKind
from training.models import Model

TIE = 0.5


@dataclass(frozen=True)
class Judgement:
    """One labeler's verdict on a pair of responses: 1 for the policy, 0 for the baseline, half for a tie."""

    prompt: int
    score: float
    cohort: str = ""
    source: str = ""
    likert: int | None = None
    baseline_likert: int | None = None


def judgements(
    *,
    policy: Policy,
    baseline: Policy,
    batch: Batch | None = None,
    cohort: str | None = None,
    chosen_by: str | None = None,
    finals_only: bool = False,
) -> list[Judgement]:
    """Return a verdict for each pair of a policy's and a baseline's response in each ranking that counts."""
    if policy == baseline:
        raise InvalidInput(f"{policy} cannot be compared with itself.", fields={"baseline": "same as policy"})
    places = (
        counted_places()
        .filter(response__policy__in=(policy, baseline))
        .select_related("ranking__labeler", "ranking__task", "response__prompt")
        .order_by("ranking_id", "id")
    )
    if batch is not None:
        places = places.filter(ranking__task__batch=batch)
    if cohort is not None:
        places = places.filter(ranking__labeler__cohort=cohort)
    if chosen_by is not None:
        places = places.filter(ranking__task__chosen_by=chosen_by)
    if finals_only:
        places = places.filter(ranking__task__batch__kind=TaskKind.EVALUATION)
    by_ranking: dict[Ranking, list[Place]] = defaultdict(list)
    for place in places.iterator(chunk_size=2000):
        by_ranking[place.ranking].append(place)
    found = []
    for ranking, both in by_ranking.items():
        ours = [place for place in both if place.response.policy_id == policy.pk]
        theirs = [place for place in both if place.response.policy_id == baseline.pk]
        found += [
            Judgement(
                prompt=ranking.task.prompt_id or 0,  # ranked tasks have a prompt
                score=TIE if our.rank == their.rank else float(our.rank < their.rank),
                cohort=ranking.labeler.cohort,
                source=our.response.prompt.source,
                likert=our.likert,
                baseline_likert=their.likert,
            )
            for our in ours
            for their in theirs
        ]
    return found


def in_finals(*, policy: Policy, baseline: Policy) -> bool:
    """Return whether labelers have compared the two in a final evaluation."""
    rows = counted_places().filter(unselected("ranking__places__response"), response__policy=policy)
    finals = rows.filter(ranking__task__batch__kind=TaskKind.EVALUATION)
    return finals.filter(ranking__places__response__policy=baseline).exists()


def counted_places() -> PlaceQuerySet:
    """Return the places of which win rates are made: in rankings that count, of a policy's own responses.

    The best of several by a reward model stands under the policy that wrote it, but says how well both choose
    together.
    """
    return Place.objects.of_counted().filter(unselected("response"))


def judgements_against(
    baseline: Policy, policies: Sequence[Policy], among: PlaceQuerySet | None = None
) -> dict[int, list[Judgement]]:
    """Return the verdicts of several policies against one baseline, read in one query; by policy.

    `among` narrows which of the `counted_places` are looked at.
    """
    wanted = counted_places() if among is None else among
    with_baseline = wanted.filter(response__policy=baseline).values("ranking")
    rows = (
        wanted.filter(ranking__in=with_baseline, response__policy__in=[*policies, baseline])
        .order_by("ranking_id", "id")
        .values_list(
            "ranking_id",
            "response__policy_id",
            "rank",
            "likert",
            "ranking__task__prompt_id",
            "ranking__labeler__cohort",
            "response__prompt__source",
        )
    )
    found: dict[int, list[Judgement]] = {policy.pk: [] for policy in policies}
    for _, places in groupby(rows.iterator(chunk_size=5000), key=lambda row: row[0]):
        both = list(places)
        theirs = [place for place in both if place[1] == baseline.pk]
        for _, policy, rank, likert, prompt, cohort, source in both:
            if policy == baseline.pk:
                continue
            found[policy] += [
                Judgement(
                    prompt=prompt or 0,  # ranked tasks have a prompt
                    score=TIE if rank == their[2] else float(rank < their[2]),
                    cohort=cohort,
                    source=source,
                    likert=likert,
                    baseline_likert=their[3],
                )
                for their in theirs
            ]
    return found


def unselected(response: str) -> Q:
    """Return the condition that the response at this path was not chosen from several by a reward model.

    NOT EXISTS, as PostgreSQL takes a value inside JSON to leave few rows, and looks the rest up one by one.
    """
    selected = Response.objects.filter(pk=OuterRef(response), sampling__best_of__gt=1)
    return ~Q(Exists(selected))


def trained_here() -> QuerySet[Model, Any]:
    """Return the keys of the policies that a run made here, which may have seen training authors' prompts."""
    return Model.objects.filter(run__isnull=False, policy__isnull=False).values("policy")
