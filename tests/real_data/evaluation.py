"""Real models through a final evaluation and a benchmark, with the figures that their pages show.

Nobody here can judge 1,700 pairs, so the labelers are simulated and marked as such. Their rule is open: the
response that shares more words (F1) with what a person wrote to the same prompt is the better one, within
0.02 it is a tie. The figures say how near each model comes to people's answers, not what people prefer.
"""

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from labeling.models import Assignment, Cohort, Labeler, Policy, Prompt, TaskKind
from labeling.rules.assignments import claim_next
from labeling.rules.comparisons import Judgement, submit_ranking
from tests.factories import LabelerFactory
from tests.real_data.loop import joined, lines, model_names
from training.models import Model, RunState
from training.rlhf.span_scores import overlap_f1, words_of
from training.rules.benchmark_figures import Tax, alignment_tax
from training.rules.benchmarks import import_benchmark, order_benchmarks
from training.rules.evaluation_figures import PolicyFigures, figures_against
from training.rules.evaluations import start_evaluation
from training.rules.run_execution import execute_run

BASELINE = "davinci"
NEAR = 0.02


def references(folder: Path) -> dict[str, str]:
    """Return what a person wrote to each prompt."""
    return {joined(task): task["demonstration"] for task in lines(folder / "user_oriented.jsonl")}


def evaluate(folder: Path, *, policies: Sequence[str] = (), prompts: int = 0) -> list[PolicyFigures]:
    """Let simulated labelers compare imported policies with GPT-3, and return the figures of the page."""
    written = references(folder)
    baseline = Policy.objects.get(name=BASELINE)
    judges = [_judge(Cohort.TRAIN), _judge(Cohort.HELD_OUT)]
    names = policies or [name for name in model_names(folder) if name != BASELINE]
    compared = [baseline]
    for number, policy in enumerate(Policy.objects.filter(name__in=names).order_by("name")):
        rows = Prompt.objects.usable().filter(responses__policy=policy).filter(responses__policy=baseline)
        chosen = list(rows.distinct().order_by("pk")[: prompts or None])
        start_evaluation(policy=policy, baseline=baseline, prompts=chosen)
        _judge_all(judges[number % 2 :] + judges[: number % 2], written)
        compared.append(policy)
    return figures_against(baseline, compared)


def as_table(found: Sequence[PolicyFigures]) -> dict[str, dict[str, Any]]:
    """Return win rate, rating and judgements of each policy, with their intervals."""
    table = {}
    for figures in found:
        rate, rating = figures.rates["all"], figures.likert
        table[figures.policy.name] = {
            "win rate": _with_interval(rate.value, rate.low, rate.high),
            "ties": rate.ties,
            "rating": _with_interval(rating.value, rating.low, rating.high),
            "judgements": rate.judgements,
        }
    return table


def _judge(cohort: Cohort) -> Labeler:
    labeler: Labeler = LabelerFactory.create(cohort=cohort, is_simulated=True)
    labeler.qualifications.create(kind=TaskKind.EVALUATION)
    return labeler


def _judge_all(judges: Sequence[Labeler], written: Mapping[str, str]) -> None:
    """Let the judges take turns until nothing is open."""
    turn = 0
    while (assignment := claim_next(labeler=judges[turn % 2], kind=TaskKind.EVALUATION)) is not None:
        judgements = _ranked(assignment, written)
        submit_ranking(assignment=assignment, judgements=judgements, idempotency_key=str(assignment.code))
        turn += 1


def _ranked(assignment: Assignment, written: Mapping[str, str]) -> list[Judgement]:
    reference = words_of(written[assignment.task.given_prompt.text])
    responses = [candidate.response for candidate in assignment.task.candidates.select_related("response")]
    scores = [overlap_f1(words_of(response.text), reference) for response in responses]
    best = max(scores)
    return [
        Judgement(
            code=response.code,
            rank=1 if best - score <= NEAR else 2,
            likert=1 + round(6 * score),
        )
        for response, score in zip(responses, scores, strict=True)
    ]


def _with_interval(value: float | None, low: float | None, high: float | None) -> list[float] | None:
    return None if value is None or low is None or high is None else [round(x, 3) for x in (value, low, high)]


def alignment_tax_on_pairs(folder: Path, *, after: Model, before: Model, pairs: int) -> list[Tax]:
    """Put preference pairs to two policies as questions with two choices, by real benchmark runs.

    The question is which reply to a dialogue people preferred: the accuracy is the share of pairs in which
    the policy finds that reply the likelier one.
    """
    dataset, _ = import_benchmark(key="own", form="choice", rows=_choices(folder, pairs), name="Pairs")
    for model in (before, after):
        [run] = order_benchmarks(models=[model], datasets=[dataset])
        state = execute_run(run.code)
        if state != RunState.FINISHED:
            run.refresh_from_db()
            raise AssertionError(f"{run} is {state}: {run.reason}\n{run.log_tail}")
    return alignment_tax(after, before)


def _choices(folder: Path, pairs: int) -> Iterator[tuple[int, dict[str, Any]]]:
    with gzip.open(folder / "hh_harmless.jsonl.gz", "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            if number >= pairs:
                return
            chosen, rejected = (str(json.loads(line)[name]) for name in ("chosen", "rejected"))
            before, mark, reply = chosen.rpartition("\n\nAssistant:")
            other = rejected.removeprefix(before + mark)
            if reply.strip() and other.strip():
                prompt = f"{before}{mark}".strip()
                choices = [reply.strip(), other.strip()]
                yield number, {"id": str(number), "prompt": prompt, "choices": choices, "answer": 0}
