"""What the steps of rounds look at, read for all rounds of a list at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db.models import QuerySet

from labeling.rules.batches import BatchProgress, progress_of_batches
from training.models import Round, Run, RunState
from training.rules.evaluations import WinRate, win_rates
from training.rules.round_gate import Gate, gate_of

HEAVY = ("config", "log_tail", "samples", "report", "result")
"""Columns of a run that no step looks at."""


@dataclass(frozen=True)
class Facts:
    """What was found of some rounds' batches, by the primary key of the batch.

    progress     labels wanted and given
    sampling     the sample runs that have not finished, where there are no tasks yet
    is_full      whether win rates and gates are looked at too, which reads every label of a round
    """

    progress: Mapping[int, BatchProgress]
    sampling: Mapping[int, list[Run]]
    is_full: bool
    _rates: dict[int, WinRate] = field(default_factory=dict)
    _gates: dict[int, Gate] = field(default_factory=dict)

    def win_rate(self, given: Round) -> WinRate | None:
        """Return the win rate of a round's evaluation, None where there is none or it is not wanted."""
        found = given.evaluation
        if found is None or not self.is_full:
            return None
        if found.pk not in self._rates:
            self._rates.update(win_rates([found]))
        return self._rates[found.pk]

    def gate(self, given: Round) -> Gate:
        """Return the gate of a round, checked once."""
        if given.pk not in self._gates:
            self._gates[given.pk] = gate_of(given)
        return self._gates[given.pk]

    def next_of(self, given: Round) -> Round | None:
        """Return the round that goes on from this one, None where there is none."""
        return getattr(given, "next", None)


def with_rows(rounds: QuerySet[Round]) -> QuerySet[Round]:
    """Read with each round the rows that its steps have made."""
    runs = ("sft_run", "reward_run", "ppo_run", "previous__ppo_run")
    return rounds.select_related(
        "previous",
        "next",
        "base_model",
        "created_by",
        "demonstration_batch",
        "sft_dataset",
        "comparison_batch",
        "comparisons_dataset",
        "prompts_dataset",
        "pretrain_dataset",
        "evaluation__batch",
        "evaluation__policy",
        "evaluation__baseline",
        *(f"{run}__model" for run in runs),
    ).defer(*(f"{run}__{column}" for run in runs for column in HEAVY))


def read_facts(rounds: Iterable[Round], *, is_full: bool = True) -> Facts:
    """Read what is known of the batches of these rounds, in four queries."""
    batches = {}
    for given in rounds:
        evaluated = given.evaluation.batch if given.evaluation else None
        for batch in (given.demonstration_batch, given.comparison_batch, evaluated):
            if batch is not None:
                batches[batch.pk] = batch
    progress = progress_of_batches(list(batches.values()))
    sampling: dict[int, list[Run]] = {}
    empty = [key for key in batches if not progress[key].tasks]
    waiting = Run.objects.filter(batch__in=empty).exclude(state=RunState.FINISHED)
    for run in waiting.defer(*HEAVY) if empty else ():
        if run.batch_id is not None:
            sampling.setdefault(run.batch_id, []).append(run)
    return Facts(progress, sampling, is_full)
