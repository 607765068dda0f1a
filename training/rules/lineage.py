"""Where a model comes from, back to the first one, and what was made from it.

Which run made each model and what each run read is asked for in two statements and followed in memory, so
that a model at the end of a hundred rounds costs as much as one of the first.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from training.models import Dataset, Model, Round, RunInput
from training.rules.round_choices import rounds_of_runs

SHOWN_LEVELS = 12
"""A page shows a tree this deep; what lies behind it stands on the page of the last model shown."""
HEAVY = ("facts", "run__config", "run__log_tail", "run__samples", "run__report", "run__result")
Input = tuple[str, int | None, int | None]
"""Name of the input, and the primary key of a dataset or a model."""


@dataclass(frozen=True)
class Registry:
    """By primary keys: the run that made each model, and what each run read."""

    runs: dict[int, int]
    inputs: dict[int, list[Input]]

    def read_by(self, model: int) -> list[Input]:
        """Return what the run of a model read, in order; nothing for a model that no run made."""
        run = self.runs.get(model)
        return self.inputs[run] if run is not None and run in self.inputs else []


@dataclass(frozen=True)
class Lineage:
    """A model with everything behind it.

    `datasets` are (name of the input, what was read), `sources` models with their own lineage; `is_cut` says
    that there is more behind the model than was asked for. `round` is the turn of the loop that made it.
    """

    model: Model
    round: Round | None = None
    role: str = ""
    level: int = 0
    datasets: list[tuple[str, Dataset]] = field(default_factory=list)
    sources: list["Lineage"] = field(default_factory=list)
    is_repeated: bool = False
    is_cut: bool = False


def read_registry() -> Registry:
    """Return which run made each model, and what each run read."""
    made = Model.objects.order_by().exclude(run=None).values_list("pk", "run_id")
    inputs: dict[int, list[Input]] = defaultdict(list)
    rows = RunInput.objects.order_by("pk").values_list("run_id", "name", "dataset_id", "model_id")
    for run, name, dataset, source in rows:
        inputs[run].append((name, dataset, source))
    return Registry({model: run for model, run in made if run is not None}, dict(inputs))


def lineage(model: Model, *, levels: int | None = None, registry: Registry | None = None) -> Lineage:
    """Return a model with the runs, datasets and models it came from, back to the beginning.

    A model that stands in the tree already is named again but not followed again. `levels` is how far to
    follow; a model at the last level is cut.
    """
    registry = registry or read_registry()
    behind = _behind(model.pk, registry, levels)
    models = {row.pk: row for row in Model.objects.filter(pk__in=behind).select_related("run").defer(*HEAVY)}
    models[model.pk] = model
    datasets = Dataset.objects.defer("manifest", "statistics").in_bulk(_datasets_read(behind, registry))
    rounds = rounds_of_runs([registry.runs[key] for key in behind if key in registry.runs])
    made_in = {key: rounds.get(registry.runs[key]) for key in behind if key in registry.runs}
    root = Lineage(model, made_in.get(model.pk))
    seen: set[int] = set()
    waiting: list[tuple[list[Lineage], int]] = [([root], 0)]
    while waiting:
        siblings, place = waiting.pop()
        node = siblings[place]
        inputs = registry.read_by(node.model.pk)
        if node.model.pk in seen:
            siblings[place] = replace(node, is_repeated=True)
            continue
        if node.level == levels and inputs:
            siblings[place] = replace(node, is_cut=True)
            continue
        seen.add(node.model.pk)
        for name, dataset, source in inputs:
            if dataset is not None:
                node.datasets.append((name, datasets[dataset]))
            elif source is not None:
                node.sources.append(Lineage(models[source], made_in.get(source), name, node.level + 1))
        waiting += [(node.sources, place) for place in reversed(range(len(node.sources)))]
    return root


def datasets_behind(model: Model, *, registry: Registry | None = None) -> list[Dataset]:
    """Return every dataset that a model or one of its ancestors was trained on, each once, newest first.

    Their statistics are read, not their manifests.
    """
    registry = registry or read_registry()
    keys = _datasets_read(_behind(model.pk, registry), registry)
    return list(Dataset.objects.filter(pk__in=keys).defer("manifest").order_by("-pk"))


def descendants(model: Model) -> list[Model]:
    """Return the models that were trained from this one or, for a reward model, against it; nearest first."""
    return models_in_order(descendant_keys(model))


def models_in_order(keys: Sequence[int]) -> list[Model]:
    """Return models by their primary keys, in the order given."""
    rows = Model.objects.defer("facts").in_bulk(keys)
    return [rows[key] for key in keys]


def descendant_keys(model: Model, *, registry: Registry | None = None) -> list[int]:
    """Return the primary keys of `descendants`, in their order."""
    registry = registry or read_registry()
    made = {run: key for key, run in registry.runs.items()}
    children: dict[int, list[int]] = defaultdict(list)
    for run in sorted(made, key=lambda run: made[run]):
        for source in dict.fromkeys(source for _, _, source in registry.inputs.get(run, []) if source):
            children[source].append(made[run])
    found: dict[int, None] = {}
    waiting = deque([model.pk])
    while waiting:
        for child in children[waiting.popleft()]:
            if child not in found:
                found[child] = None
                waiting.append(child)
    return list(found)


def _behind(model: int, registry: Registry, levels: int | None = None) -> list[int]:
    """Return the primary keys of a model and of every model that it came from, so many levels back."""
    seen = {model: 0}
    waiting = deque([model])
    while waiting:
        key = waiting.popleft()
        if seen[key] == levels:
            continue
        for _, _, source in registry.read_by(key):
            if source is not None and source not in seen:
                seen[source] = seen[key] + 1
                waiting.append(source)
    return list(seen)


def _datasets_read(models: Iterable[int], registry: Registry) -> set[int]:
    return {dataset for key in models for _, dataset, _ in registry.read_by(key) if dataset is not None}
