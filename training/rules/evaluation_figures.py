"""Every policy beside every other, as the paper shows them: win rates, ratings and what was flagged.

Ouyang et al. 2022: win rates against one baseline by labelers and by where prompts come from (figures 1 and
3), ratings from 1 to 7, and the share of responses with each flag (figure 4). Judgements of one prompt go
together in every interval.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from django.db.models import Q

from labeling.models import (
    Cohort,
    PlaceQuerySet,
    Policy,
    PromptSource,
    Split,
    TaskKind,
)
from training.rules.evaluations import WinRate, clustered_share, summarize
from training.rules.judgements import Judgement, counted_places, judgements_against, trained_here
from training.rules.prompt_choice import RANDOM
from training.rules.ratings import Share, mean_rating

MOST_POLICIES = 20
"""How many policies are shown where none is named."""
ALL = "all"
FROM_GPT = "gpt"
FROM_INSTRUCT = "instruct"
DISTRIBUTIONS = {FROM_INSTRUCT: "Prompts to instructed models", FROM_GPT: "Prompts to raw models"}


class Judged(StrEnum):
    """Which judgements the figures are made of.

    FINAL      evaluations, on prompts of authors who never trained anything: what a policy that was trained
               here wrote to others does not count
    CONTROL    comparisons on prompts drawn at random, beside those that a reward model was in doubt about
    """

    FINAL = "final"
    CONTROL = "control"

    def places(self) -> PlaceQuerySet:
        """Return the places in rankings of such tasks that count."""
        if self is Judged.FINAL:
            return final_places().filter(~_may_have_been_seen())
        rows = counted_places()
        return rows.filter(ranking__task__batch__kind=TaskKind.COMPARISON, ranking__task__chosen_by=RANDOM)


@dataclass(frozen=True)
class PolicyFigures:
    """What labelers said of one policy.

    `rates` maps "all" and each cohort to the win rate; `by_distribution` where the prompts came from;
    `by_both` a pair of cohort and origin; `flags` each flag that was asked to the share of responses that
    have it.
    """

    policy: Policy
    rates: Mapping[str, WinRate]
    by_distribution: Mapping[str, WinRate]
    by_both: Mapping[tuple[str, str], WinRate]
    likert: Share
    flags: Mapping[str, Share]


@dataclass
class _Seen:
    ratings: dict[int, list[float]] = field(default_factory=lambda: defaultdict(list))
    flags: dict[str, dict[int, list[float]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )


def final_places() -> PlaceQuerySet:
    """Return the places in all final evaluations that count."""
    return counted_places().filter(ranking__task__batch__kind=TaskKind.EVALUATION)


def left_out() -> int:
    """Return how many rankings of final evaluations hold a trained policy's answer to a training author."""
    places = final_places().filter(_may_have_been_seen())
    return places.order_by().values("ranking").distinct().count()


def judged_policies(judged: Judged = Judged.FINAL) -> list[Policy]:
    """Return the policies that were judged so, by name."""
    return list(Policy.objects.filter(pk__in=judged.places().values("response__policy")).order_by("name"))


def shown_policies(
    known: Sequence[Policy], codes: Collection[str] = (), baseline: Policy | None = None
) -> list[Policy]:
    """Return those of the judged policies that are named, or the newest `MOST_POLICIES`, and the baseline.

    They keep the order of `known`.
    """
    named = {policy.pk for policy in known if str(policy.code) in codes}
    newest = sorted((policy.pk for policy in known), reverse=True)[:MOST_POLICIES]
    wanted = named or set(newest)
    return [policy for policy in known if policy.pk in wanted or policy == baseline]


def figures_against(
    baseline: Policy, policies: Sequence[Policy], judged: Judged = Judged.FINAL
) -> list[PolicyFigures]:
    """Return each policy's figures, the baseline's own among them, in the order given."""
    seen = _places_of(policies, judged)
    verdicts = judgements_against(baseline, policies, judged.places())
    found = []
    for policy in policies:
        given = verdicts[policy.pk]
        found.append(
            PolicyFigures(
                policy=policy,
                rates={ALL: summarize(given), **_by_cohort(given)},
                by_distribution=_by_distribution(given),
                by_both={
                    (cohort, origin): rate
                    for cohort in Cohort.values
                    for origin, rate in _by_distribution(
                        [item for item in given if item.cohort == cohort]
                    ).items()
                },
                likert=mean_rating(seen[policy.pk].ratings),
                flags={flag: _share(clusters) for flag, clusters in sorted(seen[policy.pk].flags.items())},
            )
        )
    return found


def table_rows(found: Sequence[PolicyFigures]) -> Iterator[list[object]]:
    """Give the figures as rows of a table: policy, what was measured, of what, value, interval, counts."""
    yield ["policy", "measure", "group", "value", "low", "high", "judgements", "prompts"]
    for figures in found:
        name = figures.policy.name
        both = {f"{cohort} {origin}": rate for (cohort, origin), rate in figures.by_both.items()}
        for group, rate in {**figures.rates, **figures.by_distribution, **both}.items():
            if rate.value is not None:
                yield [
                    name,
                    "win_rate",
                    group,
                    rate.value,
                    rate.low,
                    rate.high,
                    rate.judgements,
                    rate.prompts,
                ]
        shares = {("rating", ALL): figures.likert} | {("flag", key): s for key, s in figures.flags.items()}
        for (measure, group), share in shares.items():
            if share.value is not None:
                yield [name, measure, group, share.value, share.low, share.high, share.count, share.prompts]


def _places_of(policies: Sequence[Policy], judged: Judged) -> dict[int, _Seen]:
    seen: dict[int, _Seen] = {policy.pk: _Seen() for policy in policies}
    places = judged.places().filter(response__policy__in=policies).order_by("pk")
    rows = places.values_list("response__policy_id", "response__prompt_id", "likert", "flags")
    for policy, prompt, likert, flags in rows.iterator(chunk_size=5000):
        if likert is not None:
            seen[policy].ratings[prompt].append(float(likert))
        for flag, answer in flags.items():
            seen[policy].flags[flag][prompt].append(float(bool(answer)))
    return seen


def _share(by_prompt: Mapping[int, Sequence[float]]) -> Share:
    clusters = list(by_prompt.values())
    value, low, high = clustered_share(clusters)
    return Share(value, low, high, sum(map(len, clusters)), len(clusters))


def _by_cohort(given: Sequence[Judgement]) -> dict[str, WinRate]:
    found = {cohort: [item for item in given if item.cohort == cohort] for cohort in Cohort.values}
    return {cohort: summarize(items) for cohort, items in found.items() if items}


def _by_distribution(given: Sequence[Judgement]) -> dict[str, WinRate]:
    raw = [item for item in given if item.source == PromptSource.API]
    instructed = [item for item in given if item.source != PromptSource.API]
    both = {FROM_INSTRUCT: instructed, FROM_GPT: raw}
    return {name: summarize(items) for name, items in both.items() if items}


def _may_have_been_seen() -> Q:
    return Q(response__prompt__split=Split.TRAIN, response__policy__in=trained_here())
