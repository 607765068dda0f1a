"""What the steps of rounds look at, read for all rounds of a list at once."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Q, QuerySet

from labeling.models import Batch
from labeling.rules.agreement import MetRankings, met_rankings
from labeling.rules.batches import BatchProgress, progress_of_batches
from training.models import Dataset, Evaluation, Round, Run, RunState
from training.rules.evaluations import PromptVerdicts, WinRate, rate_of, verdicts_of
from training.rules.round_gate import Gate, gate_of

HEAVY = ("config", "log_tail", "samples", "report", "result")
"""Columns of a run that no step looks at."""
RUNS = ("sft_run", "reward_run", "ppo_run")
DATASETS = ("sft_dataset", "comparisons_dataset", "pretrain_dataset")


@dataclass(frozen=True)
class Facts:
    """What was found of some rounds' batches, by the primary key of the batch.

    progress     labels wanted and given
    sampling     the sample runs that have not finished, where there are no tasks yet
    is_full      whether win rates and gates are looked at too, which reads every label of a round
    judged       evaluations of the rounds, and all others of the policies that they or those before them made
    """

    progress: Mapping[int, BatchProgress]
    sampling: Mapping[int, list[Run]]
    is_full: bool
    judged: Collection[Evaluation] = ()
    _verdicts: dict[int, list[PromptVerdicts]] = field(default_factory=dict)
    _gates: dict[int, Gate] = field(default_factory=dict)
    _met: dict[int, MetRankings] = field(default_factory=dict)

    def win_rate(self, given: Round) -> WinRate | None:
        """Return the win rate of a round's evaluation, None where there is none or it is not wanted."""
        found = given.evaluation
        if found is None or not self.is_full:
            return None
        return rate_of(self.verdicts()[found.pk])

    def verdicts(self) -> dict[int, list[PromptVerdicts]]:
        """Return the verdicts of each evaluation that was read, counted once, by its primary key."""
        if not self._verdicts:
            self._verdicts.update(verdicts_of(self.judged))
        return self._verdicts

    def gate(self, given: Round) -> Gate:
        """Return the gate of a round, checked once."""
        if given.pk not in self._gates:
            self._gates[given.pk] = gate_of(given, self.met)
        return self._gates[given.pk]

    def met(self, batch: Batch) -> MetRankings:
        """Return what labelers made of a batch's shared tasks, read once."""
        if batch.pk not in self._met:
            self._met[batch.pk] = met_rankings(batch)
        return self._met[batch.pk]

    def next_of(self, given: Round) -> Round | None:
        """Return the round that goes on from this one, None where there is none."""
        return getattr(given, "next", None)


def with_rows(rounds: QuerySet[Round]) -> QuerySet[Round]:
    """Read with each round its batches and the rounds beside it.

    The rest is left to `read_facts`: all together they are a join of two dozen tables, which takes PostgreSQL
    far longer to plan than to run.
    """
    return rounds.select_related("previous", "next", "demonstration_batch", "comparison_batch")


def read_facts(rounds: Collection[Round], *, is_full: bool = True) -> Facts:
    """Read what the steps of these rounds have made and what is known of their batches, in seven queries."""
    before = [given.previous for given in rounds if given.previous is not None]
    _read_rows([*rounds, *before], RUNS, Run.objects.select_related("model").defer(*HEAVY))
    _read_rows(rounds, DATASETS, Dataset.objects.defer("manifest"))
    judged = _read_evaluations(rounds, is_full=is_full)
    batches = {}
    for given in rounds:
        evaluated = given.evaluation.batch if given.evaluation else None
        for batch in (given.demonstration_batch, given.comparison_batch, evaluated):
            if batch is not None:
                batches[batch.pk] = batch
    progress = progress_of_batches(list(batches.values()))
    sampling: dict[int, list[Run]] = {}
    drafts = (key for key, batch in batches.items() if batch.status == Batch.Status.DRAFT)
    empty = [key for key in drafts if not progress[key].tasks]  # who opens a batch has filled it
    waiting = Run.objects.filter(batch__in=empty).exclude(state=RunState.FINISHED)
    for run in waiting.defer(*HEAVY) if empty else ():
        if run.batch_id is not None:
            sampling.setdefault(run.batch_id, []).append(run)
    return Facts(progress, sampling, is_full, judged)


def _read_evaluations(rounds: Collection[Round], *, is_full: bool) -> list[Evaluation]:
    """Give each round its evaluation; return them, for a page with all others of the policies made.

    Among these are the policies of the rounds before, with which the alarm compares.
    """
    made_in = [each for given in rounds for each in (given, given.previous) if each is not None]
    made = [getattr(each.ppo_run, "model", None) for each in made_in] if is_full else []
    policies = [model.policy_id for model in made if model is not None and model.policy_id is not None]
    wanted = Q(pk__in=[given.evaluation_id for given in rounds if given.evaluation_id is not None])
    rows = Evaluation.objects.filter(wanted | Q(policy__in=policies) if policies else wanted)
    found = {row.pk: row for row in rows.select_related("batch", "policy", "baseline")}
    for given in rounds:
        if given.evaluation_id is not None:
            given.evaluation = found[given.evaluation_id]
    return list(found.values())


def _read_rows(rounds: Collection[Round], names: Collection[str], rows: QuerySet[Any]) -> None:
    """Give each round its rows under these names, read in one query."""
    wanted = [(given, name, getattr(given, f"{name}_id")) for given in rounds for name in names]
    found = rows.in_bulk({key for _, _, key in wanted if key is not None})
    for given, name, key in wanted:
        if key is not None:
            setattr(given, name, found[key])
