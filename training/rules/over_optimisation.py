"""The over-optimisation alarm: reward and KL went up, and labelers do not prefer what came out.

Past some distance from where it started, a policy earns more of the reward model's score with worse answers
(Gao et al. 2022; Stiennon et al. 2020, fig. 5). Only people can say so: the alarm puts the run's own curves
beside the win rate against what the policy was made from, and beside what the round before reached.
docs/metrics.md has the definition.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeling.models import Policy
from training.models import Evaluation, Model, Round, Stage
from training.rules.evaluations import PromptVerdicts, WinRate, difference_of, rate_of, verdicts_of
from training.rules.round_facts import Facts

DEFAULTS: Mapping[str, float] = {"score": 0.1, "kl": 1.0, "judgements": 50}
"""Rise of the score in its first standard deviation, rise of the KL in nats, judgements needed to speak."""
EVEN = 0.5
ENDS = 0.1
"""The share of a curve's points, at either end, whose mean counts."""
ALARM, UNJUDGED, CALM = "alarm", "unjudged", "calm"


@dataclass(frozen=True)
class Fall:
    """By how much a policy does worse than that of the round before, against the same baseline.

    before      the earlier policy's win rate
    round       the name of its round
    difference  of the two rates, with its 95 % interval, which lies below 0
    """

    before: WinRate
    round: str
    difference: tuple[float, float, float]

    @property
    def sentence(self) -> str:
        """Say where it stood and how far it fell."""
        value, low, high = (f"{100 * abs(number):.0f}" for number in self.difference)
        before = f"{100 * (self.before.value or 0.0):.0f} %"
        return f"{before} in {self.round}, {value} points more (95 %: {high} to {low})"


@dataclass(frozen=True)
class Finding:
    """What reward, KL and labelers say of a policy.

    state       alarm, unjudged (reward and KL are up, too few judgements), or calm
    score_rise  in standard deviations of the score at the start
    kl_rise     nats per response
    rate        the win rate against `baseline`, the ancestor against which it is lowest; of all evaluations
                together, and of ancestors with enough judgements if there are any
    fall        where `rate` is an alarm only beside that of the round before
    """

    state: str
    score_rise: float
    kl_rise: float
    rate: WinRate | None
    baseline: str
    wanted: int
    fall: Fall | None = None

    @property
    def sentence(self) -> str:
        """Say what was found and what to do."""
        rose = (
            f"The score rose by {self.score_rise:.1f} standard deviations, the KL by {self.kl_rise:.1f} nats"
        )
        if self.rate is None or self.rate.value is None:
            return f"{rose}, and nobody has judged the policy yet: evaluate it before it is used."
        numbers = (self.rate.value, self.rate.low or 0.0, self.rate.high or 0.0)
        value, low, high = (f"{100 * number:.0f} %" for number in numbers)
        found = f"{value} (95 %: {low} to {high}) of {self.rate.judgements} judgements"
        if self.state == UNJUDGED:
            return (
                f"{rose}; labelers prefer it to {self.baseline} in {found}, too few to tell "
                f"over-optimisation from progress. Collect {self.wanted} or more."
            )
        if self.state == ALARM:
            beside = f"; that was {self.fall.sentence}" if self.fall else ""
            return (
                f"{rose}, but labelers prefer it to {self.baseline} only in {found}{beside}. Use an earlier "
                "policy, raise ppo.kl_coef or train for fewer iterations, and rank this policy's responses "
                "for the next reward model."
            )
        return f"{rose}, and labelers prefer it to {self.baseline} in {found}."


def over_optimisation_of(
    model: Model | None, given: Round | None = None, facts: Facts | None = None
) -> Finding | None:
    """Look for over-optimisation in a policy that PPO made; None where there is nothing to say.

    Thresholds are those of the round that the run stands in (its setting `alarm`), or the defaults; who has
    the round at hand may name it, with what was read of it.
    """
    run = model.run if model is not None else None
    if model is None or run is None or run.stage != Stage.PPO:
        return None
    given = given or Round.objects.filter(ppo_run=run).select_related("previous").first()
    wanted = thresholds_of(given)
    curves = {curve.name: curve for curve in run.curves.filter(name__startswith="objective/")}
    score, kl, spread = (curves.get(f"objective/{name}") for name in ("score", "kl", "score_std"))
    if score is None or kl is None:
        return None
    first_spread = float(spread.points[0][1]) if spread is not None and spread.points else 1.0
    score_rise, kl_rise = rise(score.points) / (first_spread or 1.0), rise(kl.points)
    if score_rise < wanted["score"] or kl_rise < wanted["kl"]:
        return None
    said = _read_verdicts(model, given.previous if given is not None else None, facts)
    enough = wanted["judgements"]
    rate, baseline = _lowest(said.on_ancestors, enough)
    fall = None
    if rate is None or rate.low is None or (rate.low <= EVEN and rate.judgements < enough):
        state = UNJUDGED
    else:
        state = CALM if rate.low > EVEN else ALARM
    if state != ALARM and (worst := _worst_fall(said, enough)):
        state, (rate, baseline, fall) = ALARM, worst
    return Finding(state, score_rise, kl_rise, rate, baseline, int(enough), fall)


def thresholds_of(given: Round | None) -> dict[str, float]:
    """Return the thresholds that hold in a round, or in none."""
    return {**DEFAULTS, **(given.settings.get("alarm", {}) if given is not None else {})}


def check_alarm(given: Any) -> str:
    """Return what is wrong with thresholds that somebody set, empty where nothing is."""
    if not isinstance(given, Mapping) or set(given) - set(DEFAULTS):
        return f"alarm is {given!r}; allowed is a mapping with {', '.join(DEFAULTS)}."
    wrong = {
        key: value
        for key, value in given.items()
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0
    }
    return f"alarm has {wrong}; allowed are numbers, 0 or more." if wrong else ""


def rise(points: Sequence[Sequence[float]]) -> float:
    """Return by how much the mean of a curve's last tenth is above that of its first tenth."""
    values = [float(value) for _, value in points]
    if not values:
        return 0.0
    count = max(1, round(ENDS * len(values)))
    return sum(values[-count:]) / count - sum(values[:count]) / count


@dataclass(frozen=True)
class _Said:
    """What labelers said by baseline: of a policy, also beside its ancestors alone, and of the one before it.

    `earlier` is the policy of the round before, where there is one, `round` that round's name.
    """

    of_it: Mapping[Policy, WinRate]
    on_ancestors: Mapping[Policy, WinRate]
    of_earlier: Mapping[Policy, WinRate]
    earlier: int | None
    round: str


def _read_verdicts(model: Model, before: Round | None, facts: Facts | None) -> _Said:
    """Read what labelers said of a policy and of that of the round before."""
    rows = list(Model.objects.values_list("pk", "parent", "policy", "run"))
    made_from = {pk: (parent, policy) for pk, parent, policy, _ in rows}
    run = before.ppo_run_id if before is not None else None
    earlier = next((policy for _, _, policy, made_by in rows if run is not None and made_by == run), None)
    behind = set()
    ancestor = model.parent_id
    while ancestor is not None:
        ancestor, policy = made_from[ancestor]
        behind.add(policy)
    wanted = [policy for policy in (model.policy_id, earlier) if policy is not None]
    known: Collection[Evaluation] = (
        facts.judged
        if facts is not None
        else Evaluation.objects.filter(policy__in=wanted).select_related("baseline")
    )
    verdicts = facts.verdicts() if facts is not None else verdicts_of(known)
    of_it, of_earlier = (_pooled(known, verdicts, policy) for policy in (model.policy_id, earlier))
    on_ancestors = {baseline: rate for baseline, rate in of_it.items() if baseline.pk in behind}
    return _Said(of_it, on_ancestors, of_earlier, earlier, str(before))


def _pooled(
    known: Collection[Evaluation], verdicts: Mapping[int, Sequence[PromptVerdicts]], policy: int | None
) -> dict[Policy, WinRate]:
    """Return a policy's win rate against each baseline, all evaluations of the two together."""
    pooled: dict[Policy, list[PromptVerdicts]] = defaultdict(list)
    for row in known:
        if policy is not None and row.policy_id == policy:
            pooled[row.baseline] += verdicts[row.pk]
    rates = {baseline: rate_of(found) for baseline, found in pooled.items()}
    return {baseline: rate for baseline, rate in rates.items() if rate.judgements}


def _lowest(rates: Mapping[Policy, WinRate], enough: float) -> tuple[WinRate | None, str]:
    """Return the lowest win rate and whom it is against: of those with enough judgements if there are any."""
    spoken = {baseline: rate for baseline, rate in rates.items() if rate.judgements >= enough}
    found = [(rate, baseline.name) for baseline, rate in (spoken or rates).items()]
    return min(found, key=lambda each: each[0].low or 0.0, default=(None, ""))


def _worst_fall(said: _Said, enough: float) -> tuple[WinRate, str, Fall | None] | None:
    """Return where a policy is shown to be worse than that of the round before, None where it is nowhere.

    Labelers preferred the earlier one where they compared the two, or its win rate against the same baseline
    was higher.
    """
    spoken = {baseline: rate for baseline, rate in said.of_it.items() if rate.judgements >= enough}
    for baseline, rate in spoken.items():
        if baseline.pk == said.earlier and rate.high is not None and rate.high < EVEN:
            return rate, baseline.name, None
    falls = []
    for baseline, rate in spoken.items():
        before = said.of_earlier.get(baseline)
        difference = difference_of(rate, before) if before and before.judgements >= enough else None
        if before and difference and difference[2] < 0:
            falls.append((rate, baseline.name, Fall(before, said.round, difference)))
    return min(falls, key=lambda each: each[2].difference[2], default=None)
