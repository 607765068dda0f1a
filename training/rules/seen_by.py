"""Lineage from the other end: from a prompt or a labeler to every dataset, run and model that saw it.

The whole registry is read in three statements and followed in memory, so that a thousand models cost as much
as ten.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from labeling.models import Labeler, Prompt
from training.models import Dataset, DatasetLabeler, DatasetPrompt, Model, Run, RunInput
from training.rules.dataset_members import count_untraced


@dataclass(frozen=True)
class SeenBy:
    """What saw a prompt or a labeler's work.

    datasets  that hold it, newest first
    runs      that read one of them
    direct    models of those runs
    later     models that came from one of these, by start or by reward model
    records   of each dataset by its number, how many are a labeler's; empty for a prompt
    untraced  datasets that nobody has looked through, where the answer may be incomplete
    """

    datasets: list[Dataset] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    direct: list[Model] = field(default_factory=list)
    later: list[Model] = field(default_factory=list)
    records: dict[int, int] = field(default_factory=dict)
    untraced: int = 0

    @property
    def models(self) -> list[Model]:
        """Every model that saw it, itself or through another."""
        return [*self.direct, *self.later]


def prompt_seen_by(prompt: Prompt) -> SeenBy:
    """Return every dataset that holds a prompt, every run that read one, and every model that saw it."""
    held = DatasetPrompt.objects.filter(prompt=prompt).values_list("dataset_id", flat=True)
    return _followed(set(held), {})


def labeler_seen_by(labeler: Labeler) -> SeenBy:
    """Return every dataset with a label of this labeler, every run that read one, and every model."""
    held = DatasetLabeler.objects.filter(labeler=labeler).values_list("dataset_id", "records")
    records = {int(dataset): int(count) for dataset, count in held}
    return _followed(set(records), records)


def _followed(datasets: Collection[int], records: dict[int, int]) -> SeenBy:
    untraced = count_untraced()
    if not datasets:
        return SeenBy(untraced=untraced)
    direct, later, runs = reached(datasets)
    found = {model.pk: model for model in _models(direct | later)}
    return SeenBy(
        datasets=list(Dataset.objects.filter(pk__in=datasets).defer("manifest", "statistics")),
        runs=list(Run.objects.filter(pk__in=runs).only("code", "stage", "state", "created_at")),
        direct=[found[key] for key in sorted(direct, reverse=True)],
        later=[found[key] for key in sorted(later, reverse=True)],
        records=records,
        untraced=untraced,
    )


def reached(datasets: Collection[int]) -> tuple[set[int], set[int], set[int]]:
    """Return the models whose run read one of the datasets, those made from them, and the runs."""
    readers: dict[int, set[int]] = defaultdict(set)  # model → runs that read it
    runs: set[int] = set()
    for run, dataset, model in RunInput.objects.order_by().values_list("run_id", "dataset_id", "model_id"):
        if dataset in datasets:
            runs.add(run)
        elif model is not None:
            readers[model].add(run)
    made = dict(Model.objects.order_by().exclude(run=None).values_list("run_id", "pk"))
    direct = {made[run] for run in runs if run in made}
    seen, waiting = set(direct), list(direct)
    while waiting:
        children = {made[run] for run in readers[waiting.pop()] if run in made} - seen
        seen |= children
        waiting += children
    return direct, seen - direct, runs


def _models(keys: Iterable[int]) -> list[Model]:
    rows = Model.objects.filter(pk__in=keys).select_related("run")
    return list(
        rows.defer("facts", "run__config", "run__log_tail", "run__samples", "run__report", "run__result")
    )
