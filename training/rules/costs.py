"""What a round's labels and runs cost, and what a point of win rate cost: by kind of task and over all.

A point is one percentage point of win rate above one half, where the new policy would be as good as its
baseline. Only rounds whose policy was judged count, those that lost ground included: what they cost was spent
for the points of the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.core.cache import cache
from django.db.models import Count, Max, Q

from labeling.models import Ranking, Review, TaskKind
from labeling.rules.costs import CENT, HOUR, Cost, by_kind, costs_by_batch, total_of
from labeling.rules.pay_rates import rate_book
from training.models import Evaluation, Round, Run
from training.rules.evaluations import WinRate, win_rates
from training.rules.machine_rates import MachineBook, machine_book

EVEN, PERCENT = 0.5, 100
CACHE_SECONDS = 30 * 24 * 3600
HEAVY = ("config", "log_tail", "samples", "report", "result")
TAUGHT = (TaskKind.DEMONSTRATION, TaskKind.COMPARISON)
"""What a round learns from; evaluations only measure."""
HEADER = (
    "what", "hours_demonstration", "hours_comparison", "hours_evaluation", "hours_machine", "money",
    "currency", "unpriced_hours", "win_rate", "low", "high", "points", "hours_per_point", "money_per_point",
    "money_machine",
)  # fmt: skip


@dataclass(frozen=True)
class PerPoint:
    """Hours and money for one point of win rate; none where no point was won or no hour has a rate."""

    points: float
    hours: float | None = None
    money: Decimal | None = None


@dataclass(frozen=True)
class RoundCost:
    """One round: its labels by kind, the measuring, the machine's hours, and how its policy did.

    `machine` is the time of the runs that trained, and of those that wrote the responses to compare.
    """

    row: Round
    demonstration: Cost
    comparison: Cost
    evaluation: Cost
    machine: Cost
    rate: WinRate | None

    @property
    def taught(self) -> Cost:
        return self.demonstration + self.comparison

    @property
    def points(self) -> float | None:
        """Points of win rate above one half; None before anybody judged."""
        if self.rate is None or self.rate.value is None:
            return None
        return PERCENT * (self.rate.value - EVEN)

    @property
    def per_point(self) -> PerPoint | None:
        """What a point cost in this round; None where its policy was not judged or won nothing."""
        return None if self.points is None else per_point(self.taught, self.points)

    @property
    def cheapest(self) -> PerPoint | None:
        """The same at the upper end of the win rate's interval."""
        return self._at(self.rate.high if self.rate else None)

    @property
    def dearest(self) -> PerPoint | None:
        """The same at the lower end, None where it is at one half or below: then no bound is known."""
        return self._at(self.rate.low if self.rate else None)

    def _at(self, share: float | None) -> PerPoint | None:
        return None if share is None else per_point(self.taught, PERCENT * (share - EVEN))


@dataclass(frozen=True)
class CostReport:
    """Everything a page of costs shows.

    kinds      each kind of task with what it cost in all
    rounds     newest first
    by_kind    what a point cost, by kind of task that is learned from, over all judged rounds
    over_all   the same for these kinds together
    machine    what the runs of all rounds took, and what they were for a point
    """

    currency: str
    total: Cost
    kinds: dict[str, Cost]
    rounds: list[RoundCost]
    by_kind: dict[str, PerPoint | None] = field(default_factory=dict)
    over_all: PerPoint | None = None
    machine: Cost = field(default_factory=Cost)
    machine_per_point: PerPoint | None = None


def cost_report(*, simulated: bool = False) -> CostReport:
    """Compute hours and money by kind, round and point of win rate."""
    book = rate_book()
    costs = costs_by_batch(book=book, simulated=simulated)
    rows = list(
        Round.objects.select_related(
            "evaluation__policy", "evaluation__baseline", "evaluation__batch",
            "sft_run", "reward_run", "ppo_run",
        ).defer(*(f"{run}_run__{name}" for run in ("sft", "reward", "ppo") for name in HEAVY))
    )  # fmt: skip
    rates = win_rates_of([row.evaluation for row in rows if row.evaluation])
    machines = _machine_costs(rows, machine_book())
    rounds = [_round_cost(row, costs, rates, machines[row.pk]) for row in rows]
    judged = [each for each in rounds if each.points is not None]
    points = sum(each.points or 0.0 for each in judged)
    taught = {
        TaskKind.DEMONSTRATION.value: total_of(each.demonstration for each in judged),
        TaskKind.COMPARISON.value: total_of(each.comparison for each in judged),
    }
    return CostReport(
        currency=book.currency,
        total=total_of(costs.values()),
        kinds={kind: cost for kind in TaskKind.values if (cost := by_kind(costs).get(kind))},
        rounds=rounds,
        by_kind={kind: per_point(cost, points) if judged else None for kind, cost in taught.items()},
        over_all=per_point(total_of(taught.values()), points) if judged else None,
        machine=total_of(machines.values()),
        machine_per_point=per_point(total_of(each.machine for each in judged), points) if judged else None,
    )


def per_point(cost: Cost, points: float) -> PerPoint | None:
    """Divide a cost by points won; None where none was."""
    if points <= 0:
        return None
    amount = cost.amount
    money = None if amount is None else (amount / Decimal(str(points))).quantize(CENT)
    return PerPoint(points, cost.hours / points, money)


def win_rates_of(evaluations: Sequence[Evaluation]) -> dict[int, WinRate]:
    """Return win rates by evaluation, kept in the cache until what counts in its batch may have changed.

    That is a ranking added, a ranking taken back, or a review.
    """
    batches = [row.batch_id for row in evaluations]
    rankings = Ranking.objects.filter(task__batch__in=batches).order_by().values_list("task__batch")
    surplus = Count("pk", filter=Q(is_surplus=True))
    stands = {batch: counts for batch, *counts in rankings.annotate(newest=Max("pk"), surplus=surplus)}
    reviews = Review.objects.filter(ranking__task__batch__in=batches).order_by()
    reviewed = dict(reviews.values_list("ranking__task__batch").annotate(newest=Max("pk")))
    keys = {
        row.pk: ":".join(
            str(part)
            for part in (
                *("win-rate", row.code),
                *stands.get(row.batch_id, (0, 0)),
                reviewed.get(row.batch_id, 0),
            )
        )
        for row in evaluations
    }
    known = cache.get_many(keys.values())
    found = {row: known[key] for row, key in keys.items() if isinstance(known.get(key), WinRate)}
    fresh = win_rates([row for row in evaluations if row.pk not in found])
    cache.set_many({keys[row]: rate for row, rate in fresh.items()}, CACHE_SECONDS)
    return {**found, **fresh}


def table(report: CostReport) -> Iterable[Sequence[object]]:
    """Give the report as rows in the order of HEADER: each round, then all judged ones together."""
    for each in report.rounds:
        rate, point = each.rate, each.per_point
        yield (
            str(each.row), round(each.demonstration.hours, 2), round(each.comparison.hours, 2),
            round(each.evaluation.hours, 2), round(each.machine.hours, 2), each.taught.amount,
            report.currency, round(each.taught.unpriced / HOUR, 2),
            rate and rate.value, rate and rate.low, rate and rate.high, each.points,
            point and point.hours, point and point.money, each.machine.amount,
        )  # fmt: skip
    for kind, cost in report.kinds.items():
        point = report.by_kind.get(kind)
        hours = [round(cost.hours, 2) if kind == name else "" for name in (*TAUGHT, TaskKind.EVALUATION)]
        yield (
            f"all: {kind}", *hours, "", cost.amount,
            report.currency, round(cost.unpriced / HOUR, 2), "", "", "",
            point and point.points, point and point.hours, point and point.money, "",
        )  # fmt: skip
    point = report.machine_per_point
    yield (
        "all: machine", "", "", "", round(report.machine.hours, 2), "",
        report.currency, round(report.machine.unpriced / HOUR, 2), "", "", "",
        point and point.points, point and point.hours, point and point.money, report.machine.amount,
    )  # fmt: skip


def _machine_costs(rows: Sequence[Round], book: MachineBook) -> dict[int, Cost]:
    """Return what the runs of each round took, those that wrote the responses to compare among them."""
    found = {
        row.pk: total_of(
            book.cost(queue=run.queue, started_at=run.started_at, finished_at=run.finished_at)
            for run in (row.sft_run, row.reward_run, row.ppo_run)
            if run
        )
        for row in rows
    }
    round_of = {row.comparison_batch_id: row.pk for row in rows if row.comparison_batch_id}
    wrote = Run.objects.filter(batch__in=round_of).values_list("batch", "queue", "started_at", "finished_at")
    for batch, queue, started_at, finished_at in wrote:
        found[round_of[batch]] += book.cost(queue=queue, started_at=started_at, finished_at=finished_at)
    return found


def _round_cost(
    row: Round, costs: dict[tuple[int, str], Cost], rates: dict[int, WinRate], machine: Cost
) -> RoundCost:
    def of(batch: int | None, kind: str) -> Cost:
        return costs.get((batch, kind), Cost()) if batch else Cost()

    rate = rates.get(row.evaluation_id) if row.evaluation_id else None
    return RoundCost(
        row=row,
        demonstration=of(row.demonstration_batch_id, TaskKind.DEMONSTRATION),
        comparison=of(row.comparison_batch_id, TaskKind.COMPARISON),
        evaluation=of(row.evaluation.batch_id if row.evaluation else None, TaskKind.EVALUATION),
        machine=machine,
        rate=rate,
    )
