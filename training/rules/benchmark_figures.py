"""What results on public sets come to: intervals, and a policy beside the one it was made from.

Questions are independent of each other here: one question is one draw. The alignment tax is what a policy
loses on public sets against its ancestor (Ouyang et al. 2022, sec. 4.2), compared question by question.
"""

import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Prefetch, QuerySet
from scipy.stats import norm

from training.models import BenchmarkResult, Dataset, Model, Run, RunState, Stage

Z_95 = float(norm.ppf(0.975))
RESAMPLES = 2000
DRAWN = ("bleu",)
"""Metrics of a whole text, no mean over its questions: their intervals are drawn."""
BETTER_LOW = ("toxicity", "toxic_fraction")
NO_BETTER = ("first_preferred",)
HIGHEST = {"bleu": 100.0}
UNITS = {"bleu": "points", "entropy": "bits"}
LABELS = {
    "acc_token": "accuracy per token",
    "acc": "accuracy",
    "acc_norm": "accuracy per character",
    "acc_bytes": "accuracy per byte",
    "acc_mutual_info": "accuracy by mutual information",
    "exact_match": "exact match",
    "mc1": "best answer first",
    "mc2": "share of true answers",
    "f1": "F1",
    "exact": "exact match",
    "bleu": "BLEU",
    "rouge_l": "ROUGE-L",
    "entropy": "entropy, bits",
    "first_preferred": "first preferred",
    "toxicity": "toxicity",
    "toxic_fraction": "toxic share",
}


class Figure(NamedTuple):
    """A value with its 95 % interval; no interval from a single question."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Tax:
    """A policy beside an ancestor on the same questions. `verdict` says what the interval allows to say."""

    dataset: Dataset
    metric: str
    before: BenchmarkResult
    after: BenchmarkResult
    difference: Figure
    questions: int

    @property
    def label(self) -> str:
        return label_of(self.metric)

    @property
    def verdict(self) -> str:
        """Say better, worse, changed or no difference shown."""
        low, high = self.difference.low, self.difference.high
        if low is None or high is None or low <= 0 <= high:
            return "no difference shown"
        if self.metric in NO_BETTER:
            return "changed"
        lower = (*BETTER_LOW, *self.dataset.manifest.get("selection", {}).get("lower_is_better", ()))
        return "better" if (low > 0) != (_plain(self.metric) in lower) else "worse"


def label_of(metric: str) -> str:
    """Say what a metric measures; of a task with several filters, behind which one."""
    name, _, behind = metric.partition(",")
    return f"{LABELS.get(name, name)}, {behind}" if behind else LABELS.get(name, name)


def summarize(metric: str, items: Mapping[str, Any]) -> Figure:
    """Return the value of a metric over questions, and its interval.

    Shares have Wilson's interval, other means a normal one, cut at 0 where no value is below it, BLEU one
    drawn by resampling questions.
    """
    if _plain(metric) in DRAWN:
        counts = np.array(list(items.values()), dtype=float)
        return _drawn(
            bleu(counts.sum(axis=0)), [bleu(counts[pick].sum(axis=0)) for pick in _picks(len(counts))]
        )
    values = [float(value) for value in items.values()]
    mean = sum(values) / len(values)
    if all(value in (0.0, 1.0) for value in values):
        return _wilson(mean, len(values))
    half, floor = _half_width(values), 0.0 if min(values) >= 0 else -math.inf
    return Figure(
        mean, None if half is None else max(floor, mean - half), None if half is None else mean + half
    )


def difference(metric: str, after: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[Figure, int]:
    """Return by how much one result is above another on the questions that both have, and how many."""
    shared = [key for key in after if key in before]
    if _plain(metric) in DRAWN:
        ours, theirs = (np.array([given[key] for key in shared], dtype=float) for given in (after, before))
        found = bleu(ours.sum(axis=0)) - bleu(theirs.sum(axis=0))
        picks = _picks(len(shared))
        drawn = [bleu(ours[pick].sum(axis=0)) - bleu(theirs[pick].sum(axis=0)) for pick in picks]
        return _drawn(found, drawn), len(shared)
    gaps = [float(after[key]) - float(before[key]) for key in shared]
    mean, half = sum(gaps) / len(gaps), _half_width(gaps)
    return Figure(mean, None if half is None else mean - half, None if half is None else mean + half), len(
        gaps
    )


def bleu(counts: Sequence[float] | Any) -> float:
    """Return BLEU, 0 to 100, from matches of 1 to 4 words, all of these, and both lengths; 0 without a match.

    Papineni et al. 2002. sacrebleu smooths where a length has no match at all; we say 0 there.
    """
    matches, totals, ours, theirs = counts[:4], counts[4:8], float(counts[8]), float(counts[9])
    if min(matches) <= 0 or ours <= 0:
        return 0.0
    logs = [math.log(float(m) / float(t)) for m, t in zip(matches, totals, strict=True)]
    return 100 * min(1.0, math.exp(1 - theirs / ours)) * math.exp(sum(logs) / 4)


def newest_results(model: Model) -> dict[tuple[int, str, str], BenchmarkResult]:
    """Return a policy's results by dataset, settings and metric; of several the newest."""
    rows = (
        BenchmarkResult.objects.filter(
            run__stage=Stage.BENCHMARK,
            run__state=RunState.FINISHED,
            run__inputs__model=model,
            run__inputs__name="policy",
        )
        .select_related("run")
        .prefetch_related("run__inputs")
        .order_by("run_id", "id")
    )
    return {(_dataset_of(row.run), settings_of(row.run), row.metric): row for row in rows}


def settings_of(run: Run) -> str:
    """Return under which settings questions were put and scored: only results of the same are compared."""
    config = tomllib.loads(run.config)
    given = {"seed": config.get("seed", 0), **config.get("benchmark", {})}
    given.pop("microbatch_size", None)
    if given.get("examples_by") == "question":  # as all were before there was a choice
        del given["examples_by"]
    report = run.report.get("benchmark", {})
    given["classifier"] = report.get("classifier", {}).get("weights", "")
    if "scoring" in report:
        given["scoring"] = report["scoring"]
    return ", ".join(f"{key} {value}" for key, value in sorted(given.items()))


def ancestors(model: Model) -> list[Model]:
    """Return what a policy was trained from, its parent first."""
    keys = ancestor_keys([model])[model.pk]
    rows = Model.objects.in_bulk(keys)
    return [rows[key] for key in keys]


def ancestor_keys(models: Sequence[Model]) -> dict[int, list[int]]:
    """Return the primary keys of what each policy was trained from, its parent first; in one query."""
    parents = dict(Model.objects.exclude(parent=None).values_list("pk", "parent_id"))
    found: dict[int, list[int]] = {}
    for model in models:
        line: list[int] = []
        key = parents.get(model.pk)
        while key is not None and key not in line:
            line.append(key)
            key = parents.get(key)
        found[model.pk] = line
    return found


def benchmark_runs() -> QuerySet[Run]:
    """Return the benchmark runs with what a list shows of them: not what each question was worth."""
    results = Prefetch("benchmark_results", BenchmarkResult.objects.defer("items"))
    return Run.objects.filter(stage=Stage.BENCHMARK).prefetch_related(
        "inputs__model", "inputs__dataset", results
    )


def alignment_tax(after: Model, before: Model) -> list[Tax]:
    """Compare two policies on every set and metric for which both have results under the same settings."""
    ours, theirs = newest_results(after), newest_results(before)
    datasets = Dataset.objects.in_bulk([key[0] for key in ours])
    found = []
    shared = [key for key in ours if key in theirs]  # a set's metrics in the order in which they came out
    for key in sorted(shared, key=lambda key: (datasets[key[0]].name, key[0], key[1])):
        gap, questions = difference(key[2], ours[key].items, theirs[key].items)
        found.append(Tax(datasets[key[0]], key[2], theirs[key], ours[key], gap, questions))
    return found


def table_rows(found: Sequence[Tax]) -> Iterator[list[object]]:
    """Give the comparison as rows of a table."""
    values = ("before", "after", "difference", "low", "high")
    yield ["set", "hash", "metric", *values, "questions", "verdict", "settings"]
    for tax in found:
        yield [
            tax.dataset.name,
            tax.dataset.hash[:12],
            tax.metric,
            tax.before.value,
            tax.after.value,
            *tax.difference,
            tax.questions,
            tax.verdict,
            settings_of(tax.after.run),
        ]


def _dataset_of(run: Run) -> int:
    return next((given.dataset_id or 0 for given in run.inputs.all() if given.name == "dataset"), 0)


def _plain(metric: str) -> str:
    """Return a metric's name without the filter that stands before it."""
    return metric.partition(",")[0]


def _wilson(share: float, count: int) -> Figure:
    """Give a share of `count` questions its Wilson interval, which stays between 0 and 1."""
    scale = 1 + Z_95**2 / count
    middle = (share + Z_95**2 / (2 * count)) / scale
    half = Z_95 * math.sqrt(share * (1 - share) / count + Z_95**2 / (4 * count**2)) / scale
    return Figure(share, max(0.0, middle - half), min(1.0, middle + half))


def _half_width(values: Sequence[float]) -> float | None:
    """Return half the width of a mean's 95 % interval, None from a single value."""
    if len(values) < 2:
        return None
    return Z_95 * float(np.std(values, ddof=1)) / math.sqrt(len(values))


def _picks(count: int) -> Any:
    """Draw questions anew, the same way each time."""
    return np.random.default_rng(0).integers(0, count, size=(RESAMPLES, count))


def _drawn(value: float, drawn: Sequence[float]) -> Figure:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Figure(value, float(low), float(high))
