"""Win rates: how often a policy is preferred to a baseline on the same prompt, with an interval."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Count, F, Q
from scipy.stats import norm

from labeling.errors import InvalidInput
from labeling.models import (
    Batch,
    Cohort,
    Policy,
    Prompt,
    Split,
    TaskKind,
    User,
)
from labeling.rules import audit
from labeling.rules.batches import create_batch
from training.models import Evaluation, Model, Run
from training.rules.judgements import TIE, Judgement, counted_places, judgements, trained_here, unselected
from training.rules.ratings import Share, mean_rating
from training.rules.sampling import Writer, sample_for_batch

CONFIDENCE = 0.95


@dataclass(frozen=True)
class WinRate:
    """How a policy does against a baseline. Ties count half.

    The interval is Wilson's, with as many independent judgements as the spread between prompts leaves:
    judgements of the same prompt go together. Without any judgement there is no value. Mean ratings have
    intervals of their own, from two rated prompts on.
    """

    value: float | None
    low: float | None
    high: float | None
    wins: int
    losses: int
    ties: int
    prompts: int
    likert: float | None = None
    likert_low: float | None = None
    likert_high: float | None = None
    baseline_likert: float | None = None
    baseline_likert_low: float | None = None
    baseline_likert_high: float | None = None

    @property
    def judgements(self) -> int:
        return self.wins + self.losses + self.ties

    def as_mapping(self) -> dict[str, Any]:
        """Return the numbers as the API and the command give them."""
        numbers = {"win_rate": self.value, **asdict(self), "judgements": self.judgements}
        del numbers["value"]
        return {**numbers, "tie_counts_as": TIE, "confidence": CONFIDENCE}


def win_rate(
    *,
    policy: Policy,
    baseline: Policy,
    batch: Batch | None = None,
    cohort: str | None = None,
    chosen_by: str | None = None,
    finals_only: bool = False,
) -> WinRate:
    """Compute a win rate from every ranking that counts and holds both, of one batch or cohort if named.

    `chosen_by` leaves only tasks whose prompt was chosen so: "random" is the control share; `finals_only`
    leaves out comparisons that train. Raises InvalidInput where policy and baseline are the same.
    """
    given = judgements(
        policy=policy,
        baseline=baseline,
        batch=batch,
        cohort=cohort,
        chosen_by=chosen_by,
        finals_only=finals_only,
    )
    return summarize(given)


def win_rates_by_cohort(
    *,
    policy: Policy,
    baseline: Policy,
    batch: Batch | None = None,
    chosen_by: str | None = None,
    finals_only: bool = False,
) -> dict[str, WinRate]:
    """Compute the win rate by labeler cohort, for those that judged: held-out labelers are the check."""
    given = judgements(
        policy=policy, baseline=baseline, batch=batch, chosen_by=chosen_by, finals_only=finals_only
    )
    found = {cohort: [item for item in given if item.cohort == cohort] for cohort in Cohort.values}
    return {cohort: summarize(items) for cohort, items in found.items() if items}


class PromptVerdicts(NamedTuple):
    """How often labelers preferred the policy, or the baseline, or neither on one prompt."""

    prompt: int
    wins: int
    losses: int
    ties: int


def win_rates(evaluations: Iterable[Evaluation]) -> dict[int, WinRate]:
    """Compute the win rates of several evaluations, counted by the database in one query; by primary key."""
    return {key: rate_of(verdicts) for key, verdicts in verdicts_of(evaluations).items()}


def verdicts_of(evaluations: Iterable[Evaluation]) -> dict[int, list[PromptVerdicts]]:
    """Count the verdicts of several evaluations prompt by prompt, in one query; by primary key."""
    evaluation_of = {row.batch_id: row.pk for row in evaluations}
    theirs = F("ranking__places__rank")
    counted = (
        counted_places()
        .filter(
            unselected("ranking__places__response"),
            ranking__task__batch__in=evaluation_of,
            response__policy=F("ranking__task__batch__evaluation__policy"),
            ranking__places__response__policy=F("ranking__task__batch__evaluation__baseline"),
        )
        .order_by()
        .values_list("ranking__task__batch", "ranking__task__prompt")
        .annotate(
            wins=Count("pk", filter=Q(rank__lt=theirs)),
            losses=Count("pk", filter=Q(rank__gt=theirs)),
            ties=Count("pk", filter=Q(rank=theirs)),
        )
    )
    found: dict[int, list[PromptVerdicts]] = {key: [] for key in evaluation_of.values()}
    for batch, prompt, wins, losses, ties in counted:
        found[evaluation_of[batch]].append(PromptVerdicts(prompt or 0, wins, losses, ties))
    return found


def rate_of(verdicts: Iterable[PromptVerdicts]) -> WinRate:
    """Compute value and interval from counts; those of one prompt in several evaluations go together."""
    by_prompt: dict[int, list[PromptVerdicts]] = defaultdict(list)
    for each in verdicts:
        by_prompt[each.prompt].append(each)
    counts = [
        (sum(e.wins for e in found), sum(e.losses for e in found), sum(e.ties for e in found))
        for found in by_prompt.values()
    ]
    clusters = [[1.0] * wins + [0.0] * losses + [TIE] * ties for wins, losses, ties in counts]
    value, low, high = clustered_share(clusters)
    wins, losses, ties = (sum(each[place] for each in counts) for place in range(3))
    return WinRate(value, low, high, wins, losses, ties, prompts=len(counts))


def summarize(given: Sequence[Judgement]) -> WinRate:
    """Compute value and interval from verdicts, clustered by prompt."""
    by_prompt: dict[int, list[float]] = defaultdict(list)
    for item in given:
        by_prompt[item.prompt].append(item.score)
    counts = {score: sum(item.score == score for item in given) for score in (1.0, 0.0, TIE)}
    value, low, high = clustered_share(list(by_prompt.values()))
    ours = _mean_rating((item.prompt, item.likert) for item in given)
    theirs = _mean_rating((item.prompt, item.baseline_likert) for item in given)
    return WinRate(
        value=value,
        low=low,
        high=high,
        wins=counts[1.0],
        losses=counts[0.0],
        ties=counts[TIE],
        prompts=len(by_prompt),
        likert=ours.value,
        likert_low=ours.low,
        likert_high=ours.high,
        baseline_likert=theirs.value,
        baseline_likert_low=theirs.low,
        baseline_likert_high=theirs.high,
    )


def clustered_share(clusters: Sequence[Sequence[float]]) -> tuple[float | None, float | None, float | None]:
    """Return the mean of scores from 0 to 1, and its 95 % interval with scores of a cluster going together.

    The cluster-robust standard error of the mean gives an effective number of judgements, at most the true
    one, which goes into Wilson's interval: that stays between 0 and 1 and does not collapse where all agree.
    """
    total = sum(len(cluster) for cluster in clusters)
    if not total:
        return None, None, None
    value = sum(sum(cluster) for cluster in clusters) / total
    effective = float(len(clusters))
    if len(clusters) > 1:
        spread = sum((sum(cluster) - value * len(cluster)) ** 2 for cluster in clusters)
        variance = len(clusters) / (len(clusters) - 1) * spread / total**2
        if variance > 0:
            effective = min(float(total), value * (1 - value) / variance)
    z = float(norm.ppf(0.5 + CONFIDENCE / 2))
    scale = 1 + z**2 / effective
    middle = (value + z**2 / (2 * effective)) / scale
    half = z * math.sqrt(value * (1 - value) / effective + z**2 / (4 * effective**2)) / scale
    return value, max(0.0, middle - half), min(1.0, middle + half)


def difference_of(rate: WinRate, other: WinRate) -> tuple[float, float, float] | None:
    """Return by how much a win rate is above another, with its 95 % interval; None where either is unknown.

    Newcombe 1998, method 10: the distances of both intervals' ends from their values, squared and added. It
    takes the two for independent; shared prompts make it wider than it need be.
    """
    if None in (rate.value, rate.low, rate.high, other.value, other.low, other.high):
        return None
    value, low, high = (float(each or 0.0) for each in (rate.value, rate.low, rate.high))
    its, lower, upper = (float(each or 0.0) for each in (other.value, other.low, other.high))
    difference = value - its
    return (
        difference,
        difference - math.hypot(value - low, upper - its),
        difference + math.hypot(high - value, its - lower),
    )


@transaction.atomic
def start_evaluation(
    *,
    policy: Policy,
    baseline: Policy,
    prompts: Sequence[Prompt],
    name: str = "",
    cohorts: Sequence[str] = (Cohort.TRAIN, Cohort.HELD_OUT),
    overlap: int = 1,
    temperature: float = 1.0,
    config: Mapping[str, Any] | None = None,
    seed: int = 0,
    by: User | None = None,
) -> tuple[Evaluation, list[Run]]:
    """Make a batch in which labelers compare two policies' responses to prompts, and order the responses.

    Returns the evaluation and the sample runs, for which `training.tasks.enqueue_run` wakes a worker. The
    batch opens when the responses are there. Raises InvalidInput where both are the same, no prompt is given,
    or one of a training author is given to a policy that was trained here.
    """
    if policy == baseline:
        raise InvalidInput(f"{policy} cannot be compared with itself.", fields={"baseline": "same as policy"})
    _check_authors((policy, baseline), prompts)
    name = name or f"{policy} against {baseline}"
    batch = create_batch(
        name=name[:120],
        kind=TaskKind.EVALUATION,
        by=by,
        cohorts=cohorts,
        k=2,
        overlap=overlap,
        baseline=baseline,
    )
    evaluation = Evaluation.objects.create(
        name=name[:120], policy=policy, baseline=baseline, batch=batch, created_by=by
    )
    runs = sample_for_batch(
        batch=batch,
        writers=[Writer(policy, 1, temperature), Writer(baseline, 1, temperature)],
        prompts=prompts,
        config=config,
        seed=seed,
        by=by,
    )
    audit.record(actor=by, action="start_evaluation", obj=evaluation, prompts=len(prompts))
    return evaluation, runs


def splits_of(evaluation: Evaluation) -> dict[str, int]:
    """Return how many of an evaluation's prompts are by authors of each split, where there are any."""
    tasks = evaluation.batch.tasks.order_by().values_list("prompt__split")
    counts = dict(tasks.annotate(count=Count("prompt", distinct=True)))
    return {split: counts[split] for split in Split.values if counts.get(split)}


def evaluations_of(model: Model) -> list[Evaluation]:
    """Return the evaluations in which a model took part, as the policy or as the baseline, newest first."""
    if model.policy_id is None:
        return []
    rows = Evaluation.objects.filter(Q(policy=model.policy_id) | Q(baseline=model.policy_id))
    return list(rows.select_related("policy", "baseline", "batch"))


def _mean_rating(ratings: Iterable[tuple[int, int | None]]) -> Share:
    by_prompt: dict[int, list[float]] = defaultdict(list)
    for prompt, rating in ratings:
        if rating is not None:
            by_prompt[prompt].append(float(rating))
    return mean_rating(by_prompt)


def _check_authors(policies: Sequence[Policy], prompts: Sequence[Prompt]) -> None:
    seen = Policy.objects.filter(pk__in=[each.pk for each in policies]).filter(pk__in=trained_here())
    count = sum(prompt.split == Split.TRAIN for prompt in prompts)
    if count and (names := [policy.name for policy in seen]):
        raise InvalidInput(
            f"{count} of {len(prompts)} prompts are by authors whose prompts train, and "
            f"{' and '.join(names)} was trained here; choose prompts of test authors, or of valid ones.",
            fields={"split": "train"},
        )
