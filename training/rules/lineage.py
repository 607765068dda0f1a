"""Where a model comes from, back to the first one, and what was made from it.

The whole registry is read in three statements and followed in memory, so that a model at the end of a hundred
rounds costs as much as one of the first.
"""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field, replace

from training.models import Dataset, Model, RunInput

SHOWN_LEVELS = 12
"""A page shows a tree this deep; what lies behind it stands on the page of the last model shown."""
HEAVY = ("facts", "run__config", "run__log_tail", "run__samples", "run__report", "run__result")
Input = tuple[str, int | None, int | None]
"""Name of the input, and the primary key of a dataset or a model."""


@dataclass(frozen=True)
class Lineage:
    """A model with everything behind it.

    `datasets` are (name of the input, what was read), `sources` models with their own lineage.
    """

    model: Model
    role: str = ""
    level: int = 0
    datasets: list[tuple[str, Dataset]] = field(default_factory=list)
    sources: list["Lineage"] = field(default_factory=list)
    is_repeated: bool = False

    @property
    def is_last_shown(self) -> bool:
        return self.level >= SHOWN_LEVELS


def lineage(model: Model) -> Lineage:
    """Return a model with the runs, datasets and models it came from, back to the beginning.

    A model that stands in the tree already is named again but not followed again.
    """
    runs, inputs = _registry()
    behind = _behind(model.pk, runs, inputs)
    models = {row.pk: row for row in Model.objects.filter(pk__in=behind).select_related("run").defer(*HEAVY)}
    models[model.pk] = model
    read = {dataset for key in behind for _, dataset, _ in inputs[runs.get(key)] if dataset is not None}
    datasets = Dataset.objects.defer("manifest").in_bulk(read)
    root = Lineage(model)
    seen: set[int] = set()
    waiting: list[tuple[list[Lineage], int]] = [([root], 0)]
    while waiting:
        siblings, place = waiting.pop()
        node = siblings[place]
        if node.model.pk in seen:
            siblings[place] = replace(node, is_repeated=True)
            continue
        seen.add(node.model.pk)
        for name, dataset, source in inputs[runs.get(node.model.pk)]:
            if dataset is not None:
                node.datasets.append((name, datasets[dataset]))
            elif source is not None:
                node.sources.append(Lineage(models[source], name, node.level + 1))
        waiting += [(node.sources, place) for place in reversed(range(len(node.sources)))]
    return root


def descendants(model: Model) -> list[Model]:
    """Return the models that were trained from this one or, for a reward model, against it."""
    runs, inputs = _registry()
    made = {run: key for key, run in runs.items()}
    children: dict[int, list[int]] = defaultdict(list)
    for run in sorted(made, key=lambda run: made[run]):
        for source in dict.fromkeys(source for _, _, source in inputs[run] if source is not None):
            children[source].append(made[run])
    found: dict[int, None] = {}
    waiting = [model.pk]
    while waiting:
        for child in children[waiting.pop(0)]:
            if child not in found:
                found[child] = None
                waiting.append(child)
    rows = Model.objects.defer("facts").in_bulk(found)
    return [rows[key] for key in found]


def _registry() -> tuple[dict[int, int], dict[int | None, list[Input]]]:
    """Return the run of each model, and what each run read."""
    runs = dict(Model.objects.order_by().exclude(run=None).values_list("pk", "run_id"))
    inputs: dict[int | None, list[Input]] = defaultdict(list)
    rows = RunInput.objects.order_by("pk").values_list("run_id", "name", "dataset_id", "model_id")
    for run, name, dataset, source in rows:
        inputs[run].append((name, dataset, source))
    return {key: run for key, run in runs.items() if run is not None}, inputs


def _behind(model: int, runs: dict[int, int], inputs: dict[int | None, list[Input]]) -> Collection[int]:
    """Return the primary keys of a model and of every model that it came from."""
    seen = {model}
    waiting = [model]
    while waiting:
        for _, _, source in inputs[runs.get(waiting.pop())]:
            if source is not None and source not in seen:
                seen.add(source)
                waiting.append(source)
    return seen
