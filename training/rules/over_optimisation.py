"""The over-optimisation alarm: reward and KL went up, and labelers do not prefer what came out.

Past some distance from where it started, a policy earns more of the reward model's score with worse answers
(Gao et al. 2022; Stiennon et al. 2020, fig. 5). Only people can say so: the alarm puts the run's own curves
beside the win rate against what the policy was made from. docs/metrics.md has the definition.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from labeling.models import Policy
from training.models import Model, Round, Run, Stage
from training.rules.evaluations import PromptVerdicts, WinRate, evaluations_of, rate_of, verdicts_of
from training.rules.round_facts import Facts

DEFAULTS: Mapping[str, float] = {"score": 0.1, "kl": 1.0, "judgements": 50}
"""Rise of the score in its first standard deviation, rise of the KL in nats, judgements needed to speak."""
EVEN = 0.5
ENDS = 0.1
"""The share of a curve's points, at either end, whose mean counts."""
ALARM, UNJUDGED, CALM = "alarm", "unjudged", "calm"


@dataclass(frozen=True)
class Finding:
    """What reward, KL and labelers say of a policy.

    state       alarm, unjudged (reward and KL are up, too few judgements), or calm
    score_rise  in standard deviations of the score at the start
    kl_rise     nats per response
    rate        the win rate against `baseline`, the ancestor against which it is lowest; of all evaluations
                together, and of ancestors with enough judgements if there are any
    """

    state: str
    score_rise: float
    kl_rise: float
    rate: WinRate | None
    baseline: str
    wanted: int

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
            return (
                f"{rose}, but labelers prefer it to {self.baseline} only in {found}. Use an earlier policy, "
                "raise ppo.kl_coef or train for fewer iterations, and rank this policy's responses for the "
                "next reward model."
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
    wanted = thresholds_of(run, given)
    curves = {curve.name: curve for curve in run.curves.filter(name__startswith="objective/")}
    score, kl, spread = (curves.get(f"objective/{name}") for name in ("score", "kl", "score_std"))
    if score is None or kl is None:
        return None
    first_spread = float(spread.points[0][1]) if spread is not None and spread.points else 1.0
    score_rise, kl_rise = rise(score.points) / (first_spread or 1.0), rise(kl.points)
    if score_rise < wanted["score"] or kl_rise < wanted["kl"]:
        return None
    rate, baseline = _lowest(_verdicts_on(model, facts), wanted["judgements"])
    enough = rate is not None and rate.judgements >= wanted["judgements"]
    if rate is None or rate.low is None or (rate.low <= EVEN and not enough):
        state = UNJUDGED
    else:
        state = CALM if rate.low > EVEN else ALARM
    return Finding(state, score_rise, kl_rise, rate, baseline, int(wanted["judgements"]))


def thresholds_of(run: Run, given: Round | None = None) -> dict[str, float]:
    """Return the thresholds that hold for a run, which stands in the round that is given or is looked up."""
    given = given or Round.objects.filter(ppo_run=run).first()
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


def _verdicts_on(model: Model, facts: Facts | None) -> Mapping[Policy, WinRate]:
    """Return what labelers say of a policy beside each policy that it was made from, by the latter.

    All evaluations against one baseline go together.
    """
    made_from = {pk: row for pk, *row in Model.objects.values_list("pk", "parent", "policy")}
    behind = set()
    ancestor = model.parent_id
    while ancestor is not None:
        ancestor, policy = made_from[ancestor]
        behind.add(policy)
    rows = facts.judged if facts is not None else evaluations_of(model)
    known = [row for row in rows if row.policy_id == model.policy_id and row.baseline_id in behind]
    verdicts = facts.verdicts() if facts is not None else verdicts_of(known)
    pooled: dict[Policy, list[PromptVerdicts]] = defaultdict(list)
    for row in known:
        pooled[row.baseline] += verdicts[row.pk]
    rates = {baseline: rate_of(found) for baseline, found in pooled.items()}
    return {baseline: rate for baseline, rate in rates.items() if rate.judgements}


def _lowest(rates: Mapping[Policy, WinRate], enough: float) -> tuple[WinRate | None, str]:
    """Return the lowest win rate and whom it is against: of those with enough judgements if there are any."""
    spoken = {baseline: rate for baseline, rate in rates.items() if rate.judgements >= enough}
    found = [(rate, baseline.name) for baseline, rate in (spoken or rates).items()]
    return min(found, key=lambda each: each[0].low or 0.0, default=(None, ""))
